// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// What the parties of a thread agree on before it begins. Its EIP-712 digest is the thread's id.
struct Terms {
    /// An account whose runtime code is the thread's contract.
    address origin;
    /// keccak-256 of that code.
    bytes32 codeHash;
    /// hashStruct of the Ruleset; the registry never looks into it.
    bytes32 ruleset;
    /// Zero: the chain's own coin. Reserved.
    address asset;
    /// Who signs for each party, an account with a key each.
    address[] keys;
    /// Who is paid for each party: strictly ascending, any kind of account.
    address[] owners;
    /// What each party puts in, in wei.
    uint256[] deposits;
    /// How many signatures a commitment needs: more than half of the parties, at most all.
    uint8 threshold;
    /// Who orders the batches and earns the fee; zero for nobody.
    address operator;
    /// The most that the fee can become, in wei.
    uint256 maxFee;
    /// How long, in seconds, a challenge can be answered.
    uint32 challengePeriod;
    /// Until when, in seconds of block time, deposits are taken; from then on they can be had back.
    uint64 openBefore;
    /// Any number: makes the id of otherwise equal terms another.
    uint256 salt;
}

/// The state of a thread after a batch. Its EIP-712 digest is what keys sign and what the registry records.
struct Commitment {
    bytes32 threadId;
    uint64 nonce;
    bytes32 parent;
    uint8 status;
    address awaiting;
    bytes32 stateRoot;
    bytes32 storageRoot;
    bytes32 machineHash;
    bytes32 batchHash;
    bytes32 receiptsRoot;
    uint64 gasUsed;
    uint256[] balances;
    uint256 fee;
}

/// Where a thread stands. It only ever goes on from NONE to FUNDING, LIVE, CHALLENGED and SETTLED, but for `resume`,
/// which leads from CHALLENGED back to LIVE. SETTLED is for ever: an id never returns.
enum Mode {
    NONE,
    FUNDING,
    LIVE,
    CHALLENGED,
    SETTLED
}

/// All that is kept of a thread: two words of storage.
struct Thread {
    /// The digest recorded; while nothing is, a bitmap of the deposits that are in (below 2^16, which no digest is).
    bytes32 digest;
    /// The nonce of the commitment recorded.
    uint64 nonce;
    /// CHALLENGED: from this second on the record can't change, and `settle` needs no signatures. Else zero.
    uint64 deadline;
    /// What the registry holds for this thread, in wei.
    uint112 held;
    Mode mode;
}

/// The clauses of well-formed Terms, in the order in which they are checked.
enum TermsClause {
    EQUAL_LENGTHS, // as many keys and deposits as owners
    PARTIES, // 2 <= n <= 16
    OWNERS_NON_ZERO,
    OWNERS_ASCENDING, // strictly
    KEYS_NON_ZERO,
    KEYS_DISTINCT,
    KEY_IS_OTHERS_OWNER, // no key is the owner of another party
    THRESHOLD, // n/2 < threshold <= n
    TOTAL_DEPOSIT, // sum(deposits) < 2^112
    FEE_WITHOUT_OPERATOR, // maxFee zero where operator is zero
    RESERVES, // deposits[i] >= reserve[i]
    CHALLENGE_PERIOD, // 60 seconds to 30 days
    ASSET // zero
}

/// The clauses of wellFormed(Terms, Commitment), in the order in which they are checked.
enum CommitmentClause {
    STATUS, // status <= 2
    BALANCES, // one balance for each owner
    FEE, // fee <= maxFee
    MACHINE_HASH, // non-zero exactly when status is 1
    AWAITING, // an owner exactly when status is 1, else zero
    PARENT, // zero exactly when nonce is 0
    SUM, // sum(balances) + fee <= sum(deposits)
    GENESIS_STATUS // status 0 when nonce is 0
}

/// @title The registry: holds the deposits of threads, and pays what the parties signed.
/// @notice It has no owner and can't be changed. Whatever it needs to know of a thread, its Terms above all, the caller
/// brings along; the registry keeps digests. A signature is 65 bytes r ++ s ++ v with v 27 or 28, low s, r and s in
/// range. A set of signatures is a bitmap, whose bit i stands for keys[i], and the signatures in ascending i. A
/// commitment needs `threshold` signatures, and all n where its nonce is 0 or its status 2 (final). All signatures given
/// are checked, also those above what is needed.
///
/// Digests are those of EIP-712 under the domain (name "evmthread", version "1", chainId, verifyingContract = registry),
/// with the chain's id when the registry was made.
///
/// Payments come after all changes of state, with PAYMENT_GAS gas each; what a receiver refuses is kept for it, see
/// `withdraw`. The registry's balance is never less than all `held` and all `owed` together.
interface IRegistry {
    // ------------------------------------------------------------------------------------------------------- events

    /// A thread waits for deposits: its Terms are all that is needed to take part. The same log of another contract is
    /// a request to open such a thread, without force.
    event THREAD(bytes32 indexed threadId, Terms terms);
    /// The deposit of party `index` is in; `mode` is LIVE when it was the last one.
    event DEPOSITED(bytes32 indexed threadId, uint256 index, Mode mode);
    /// All deposits went back to their owners; the thread is over.
    event REFUNDED(bytes32 indexed threadId);
    /// This commitment is the record now. It stands in the transaction's input.
    event RECORDED(bytes32 indexed threadId, uint64 nonce, bytes32 digest);
    /// The clock runs: higher commitments are taken while block.timestamp < deadline. `nonce` and `digest` are those of
    /// the record, zero where there is none.
    event CHALLENGED(bytes32 indexed threadId, uint64 deadline, uint64 nonce, bytes32 digest);
    /// All parties called the challenge off.
    event RESUMED(bytes32 indexed threadId, uint64 deadline);
    /// The thread is over, and this commitment is what it came to. `rest` is what stays held, for accounts that are no
    /// owners (`claim`) and for the thread's contract (`materialize`).
    event SETTLED(bytes32 indexed threadId, uint64 nonce, bytes32 digest, uint112 rest);
    /// An account that is no owner was paid what it had in the thread.
    event CLAIMED(bytes32 indexed threadId, address indexed account, uint256 amount);
    /// The thread's contract is on chain now, with its code, its whole storage and `balance` wei.
    event MATERIALIZED(bytes32 indexed threadId, address indexed threadAddress, uint256 balance);
    /// A receiver refused a payment, which is kept for it.
    event OWED(address indexed account, uint256 amount);
    /// What was owed to `account` was paid to `to`.
    event WITHDRAWN(address indexed account, address indexed to, uint256 amount);

    // ------------------------------------------------------------------------------------------------------- errors

    /// A clause of well-formed Terms doesn't hold.
    error IllFormedTerms(TermsClause clause);
    /// A clause of wellFormed(Terms, Commitment) doesn't hold.
    error IllFormedCommitment(CommitmentClause clause);
    /// The code at `origin` isn't that of codeHash: `got` is the hash of what is there (zero for no account).
    error WrongOriginCode(bytes32 expected, bytes32 got);
    /// The origin's code could never be put on chain: none, more than 24,576 bytes, or beginning with 0xef.
    error UnusableOriginCode(uint256 size);
    /// The function isn't for threads in this mode; Terms that nobody opened have mode NONE.
    error WrongMode(bytes32 threadId, Mode mode);
    /// There is no party with this index.
    error UnknownParty(uint256 index, uint256 parties);
    /// This deposit is in already. A deposit of zero is in from the start.
    error AlreadyDeposited(uint256 index);
    /// The value sent isn't the deposit.
    error WrongDeposit(uint256 expected, uint256 got);
    /// Deposits are taken before `openBefore` alone.
    error TooLate(uint256 limit, uint256 timestamp);
    /// Not before this second.
    error TooEarly(uint256 limit, uint256 timestamp);
    /// Only an owner or a key of the thread may start the clock.
    error NotAParty(address caller);
    /// The commitment is one of another thread than the Terms.
    error WrongThread(bytes32 expected, bytes32 got);
    /// The bitmap names a party beyond the last.
    error UnknownSigner(uint16 bitmap, uint256 parties);
    /// The bitmap names another number of signers than there are signatures.
    error SignatureCount(uint256 expected, uint256 got);
    /// Fewer signatures than this commitment needs.
    error NotEnoughSignatures(uint256 needed, uint256 got);
    /// The signature of party `index` is none: its length, v, r or s, or no key recovers from it.
    error MalformedSignature(uint256 index);
    /// The signature of party `index` is by another key, or over something else.
    error WrongSignature(uint256 index, address expected, address got);
    /// The record has a higher nonce.
    error StaleNonce(uint64 recorded, uint64 got);
    /// The record has the same nonce and another digest: whoever signed both broke the law of signers.
    error Equivocation(uint64 nonce, bytes32 recorded, bytes32 got);
    /// The commitment isn't the one that is recorded, or settled.
    error NotTheRecord(bytes32 recorded, bytes32 got);
    /// Signatures settle a thread at once only where the commitment has status 2.
    error NotFinal(uint8 status);
    /// The parties call off the challenge with another deadline.
    error WrongDeadline(uint64 expected, uint64 got);
    /// An owner, who is paid by `settle`, or the thread's contract, which is paid by `materialize`.
    error NotAThirdAccount(address account);
    /// This account has claimed already.
    error AlreadyClaimed(address account);
    /// The proof proves nothing: not exactly the nodes from this root to this key, or a value of the wrong form. `node`
    /// is the place of the node with which it goes wrong.
    error InvalidProof(uint256 node);
    /// Proven: the state has no such account.
    error NoSuchAccount(address account);
    /// The account that is proven has another code hash, or another storage root, than is wanted.
    error WrongAccount(bytes32 expected, bytes32 got);
    /// There aren't as many values as keys.
    error SlotCount(uint256 keys, uint256 values);
    /// The slots aren't in strictly ascending order of their hashed keys, or this one's value is zero.
    error MisplacedSlot(uint256 index);
    /// These are not all the slots: they make another storage root.
    error WrongStorageRoot(bytes32 expected, bytes32 got);
    /// More than one transaction can put on chain: `size` bytes of creation code, of at most `limit` (EIP-3860).
    error TooLarge(uint256 size, uint256 limit);
    /// The thread's contract is on chain already.
    error AlreadyMaterialized(address threadAddress);
    /// The thread's contract couldn't be created: there was too little gas.
    error NotCreated(address threadAddress);
    /// Too little gas is left to give the next receiver what it is due.
    error NotEnoughGas(uint256 needed, uint256 left);
    /// Nothing is owed to this account.
    error NothingOwed(address account);
    /// What is owed to an account goes to that account, or where it says itself.
    error NotTheReceiver(address account, address caller);
    /// The receiver refused the payment; it stays owed.
    error PaymentRefused(address to);

    // ------------------------------------------------------------------------------------------------------ funding

    /// Pay the deposit of party `index`; anyone may, on the party's behalf. The first deposit opens the thread: the
    /// Terms have to be well-formed and the origin's code there. LIVE when all deposits are in.
    /// Emits THREAD (the first), DEPOSITED.
    function open(Terms calldata terms, uint256 index) external payable;

    /// Give every deposit back to its owner: in FUNDING from openBefore on, or in CHALLENGED from the deadline on while
    /// nothing is recorded. By anyone. Emits REFUNDED.
    function refund(Terms calldata terms) external;

    // ----------------------------------------------------------------------------------------------------- disputes

    /// In LIVE, by an owner or key: start the clock on whatever is recorded; on nothing, deposits go back by `refund`.
    /// Emits CHALLENGED.
    function exit(Terms calldata terms) external;

    /// In LIVE, by anyone: record a commitment with a higher nonce than the record's, or any where there is none. The
    /// recorded one again has no effect. Emits RECORDED.
    function checkpoint(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external;

    /// In LIVE, by an owner or key: `checkpoint`, and start the clock. The recorded commitment will do as well.
    /// Emits RECORDED where the record is another now, then CHALLENGED.
    function challenge(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external;

    /// In CHALLENGED, while block.timestamp < deadline, by anyone: as `checkpoint`. The deadline never moves.
    /// Emits RECORDED.
    function respond(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external;

    /// In CHALLENGED, by anyone: back to LIVE with the signatures of all n on Resume(threadId, deadline), where `deadline`
    /// is the challenge's. The record stays. Emits RESUMED.
    function resume(Terms calldata terms, uint64 deadline, bytes[] calldata signatures) external;

    // --------------------------------------------------------------------------------------------------- settlement

    /// Pay the operator and the owners, for ever, by anyone. With the signatures of all n on a commitment of status 2 and
    /// no lower nonce than the record's: at once, in LIVE or CHALLENGED. Without signatures (bitmap 0): the record, in
    /// CHALLENGED from the deadline on. Emits SETTLED, and OWED for each receiver that refused.
    function settle(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external;

    /// In SETTLED, by anyone, once for each account: pay an account that is neither an owner nor the thread's contract
    /// the balance that it is proven to have under the stateRoot settled. Emits CLAIMED, and OWED if it refused.
    function claim(
        Terms calldata terms, Commitment calldata commitment, address account, bytes[] calldata accountProof
    ) external;

    /// In SETTLED, by anyone, once: put the thread's contract on chain at its address, with its code, all its storage
    /// and its balance. `keys` are those of all non-zero slots, in ascending order of their hashes; `accountProof` proves
    /// the contract's account under the stateRoot settled. Reverts if any slot is left out. Emits MATERIALIZED.
    function materialize(
        Terms calldata terms,
        Commitment calldata commitment,
        bytes32[] calldata keys,
        bytes32[] calldata values,
        bytes calldata code,
        bytes[] calldata accountProof
    ) external;

    /// Pay what is owed to `account` to `to`, with all gas that is left. `account` itself may name any `to`; others may
    /// call it with `to` the account itself. Emits WITHDRAWN.
    function withdraw(address account, address to) external;

    // -------------------------------------------------------------------------------------------------------- views

    /// The value of a storage slot of the thread's contract under the storageRoot settled; zero where it is proven that
    /// there is none. For other contracts that give something for it.
    function slot(Commitment calldata commitment, bytes32 key, bytes[] calldata proof) external view returns (bytes32);

    /// All that is kept of a thread.
    function thread(bytes32 id) external view returns (Thread memory);

    /// What an account refused, in wei.
    function owed(address account) external view returns (uint256);

    /// Whether an account has claimed what it had in a thread.
    function claimed(bytes32 id, address account) external view returns (bool);

    /// The EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// The id of a thread: the digest of its Terms. Says nothing of whether they are well-formed.
    function threadId(Terms calldata terms) external view returns (bytes32);

    /// Where a thread's contract lives, inside the thread and, after `materialize`, on chain.
    function threadAddress(bytes32 id) external view returns (address);

    /// What the keys sign, and children link to.
    function digest(Commitment calldata commitment) external view returns (bytes32);

    /// Nothing, or IllFormedTerms. The origin's code isn't looked at.
    function checkTerms(Terms calldata terms) external pure;

    /// Nothing, or IllFormedCommitment.
    function checkCommitment(Terms calldata terms, Commitment calldata commitment) external pure;

    /// The digest of a commitment of well-formed Terms, which is well-formed and has enough signatures; else the error
    /// that says what is wrong. Doesn't ask whether the thread was opened.
    function verify(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external view returns (bytes32);
}
