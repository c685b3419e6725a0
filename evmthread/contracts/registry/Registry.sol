// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Create3} from "./Create3.sol";
import {CreationCode} from "./CreationCode.sol";
import {Hashing} from "./Hashing.sol";
import {Commitment, IRegistry, Mode, Terms, Thread} from "./IRegistry.sol";
import {Payments} from "./Payments.sol";
import {Proofs} from "./Proofs.sol";
import {Signatures} from "./Signatures.sol";
import {StorageRoot} from "./StorageRoot.sol";
import {WellFormed} from "./WellFormed.sol";

/// @title Registry: see IRegistry, which says what each function is for
/// @dev Every function finds the thread by the digest of its Terms, so whatever was checked when it was opened holds.
/// State is written first, and receivers are called last.
contract Registry is Payments {
    /// The second of a thread's two words; the first is its digest.
    struct State {
        uint64 nonce;
        uint64 deadline;
        uint112 held;
        Mode mode;
    }

    uint256 private constant MAX_CODE_BYTES = 24_576; // EIP-170
    bytes1 private constant RESERVED_CODE_START = 0xef; // EIP-3541
    /// A record below this is none, but the bitmap of the deposits that are in.
    uint256 private constant BITMAP_LIMIT = 1 << 16;

    /// @inheritdoc IRegistry
    /// @dev With the chain's id when the registry was made: where a chain splits, and one half takes another id, threads
    /// can be settled on both. New ones can't be opened by mistake there, as parties compare the id that they compute.
    bytes32 public immutable domainSeparator = Hashing.separator(address(this));

    mapping(bytes32 id => bytes32 digest) private _digests;
    mapping(bytes32 id => State state) private _states;
    /// @inheritdoc IRegistry
    mapping(bytes32 id => mapping(address account => bool)) public claimed;

    // ------------------------------------------------------------------------------------------------------ funding

    /// @inheritdoc IRegistry
    function open(Terms calldata terms, uint256 index) external payable {
        (bytes32 id, State memory state) = _find(terms);
        uint256 parties = terms.owners.length;
        uint256 deposits = uint256(_digests[id]);
        if (state.mode == Mode.NONE) {
            WellFormed.checkTerms(terms);
            _checkOrigin(terms);
            for (uint256 i = 0; i < parties; ++i) {
                if (terms.deposits[i] == 0 && i != index) deposits |= 1 << i;
            }
            state.mode = Mode.FUNDING;
            emit THREAD(id, terms);
        } else if (state.mode != Mode.FUNDING) {
            revert WrongMode(id, state.mode);
        }
        if (block.timestamp >= terms.openBefore) revert TooLate(terms.openBefore, block.timestamp);
        if (index >= parties) revert UnknownParty(index, parties);
        if ((deposits >> index) & 1 == 1) revert AlreadyDeposited(index);
        if (msg.value != terms.deposits[index]) revert WrongDeposit(terms.deposits[index], msg.value);
        deposits |= 1 << index;
        state.held += uint112(msg.value); // the sum of all deposits is below 2^112
        if (deposits == (1 << parties) - 1) state.mode = Mode.LIVE;
        _digests[id] = bytes32(deposits);
        _states[id] = state;
        emit DEPOSITED(id, index, state.mode);
    }

    /// @inheritdoc IRegistry
    function refund(Terms calldata terms) external {
        (bytes32 id, State memory state) = _find(terms);
        uint256 deposits = uint256(_digests[id]);
        bool isFunding = state.mode == Mode.FUNDING;
        if (!isFunding && (state.mode != Mode.CHALLENGED || deposits >= BITMAP_LIMIT)) revert WrongMode(id, state.mode);
        uint256 limit = isFunding ? terms.openBefore : state.deadline;
        if (block.timestamp < limit) revert TooEarly(limit, block.timestamp);
        _digests[id] = 0;
        _states[id] = State(0, 0, 0, Mode.SETTLED);
        emit REFUNDED(id);
        for (uint256 i = 0; i < terms.owners.length; ++i) {
            if ((deposits >> i) & 1 == 1) _pay(terms.owners[i], terms.deposits[i]);
        }
    }

    // ----------------------------------------------------------------------------------------------------- disputes

    /// @inheritdoc IRegistry
    function exit(Terms calldata terms) external {
        (bytes32 id, State memory state) = _findIn(terms, Mode.LIVE);
        bytes32 recorded = _digests[id];
        _startClock(terms, id, state, uint256(recorded) < BITMAP_LIMIT ? bytes32(0) : recorded);
    }

    /// @inheritdoc IRegistry
    function checkpoint(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external {
        (bytes32 id, State memory state) = _findIn(terms, Mode.LIVE);
        _record(id, state, commitment, _agreed(terms, id, commitment, bitmap, signatures));
        _states[id] = state;
    }

    /// @inheritdoc IRegistry
    function challenge(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external {
        (bytes32 id, State memory state) = _findIn(terms, Mode.LIVE);
        bytes32 agreed = _agreed(terms, id, commitment, bitmap, signatures);
        _record(id, state, commitment, agreed);
        _startClock(terms, id, state, agreed);
    }

    /// @inheritdoc IRegistry
    function respond(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external {
        (bytes32 id, State memory state) = _findIn(terms, Mode.CHALLENGED);
        if (block.timestamp >= state.deadline) revert TooLate(state.deadline, block.timestamp);
        _record(id, state, commitment, _agreed(terms, id, commitment, bitmap, signatures));
        _states[id] = state;
    }

    /// @inheritdoc IRegistry
    function resume(Terms calldata terms, uint64 deadline, bytes[] calldata signatures) external {
        (bytes32 id, State memory state) = _findIn(terms, Mode.CHALLENGED);
        if (deadline != state.deadline) revert WrongDeadline(state.deadline, deadline);
        uint256 parties = terms.keys.length;
        bytes32 agreed = Hashing.digest(domainSeparator, Hashing.hashResume(id, deadline));
        Signatures.check(terms.keys, agreed, uint16((1 << parties) - 1), signatures, parties);
        state.mode = Mode.LIVE;
        state.deadline = 0;
        _states[id] = state;
        emit RESUMED(id, deadline);
    }

    // --------------------------------------------------------------------------------------------------- settlement

    /// @inheritdoc IRegistry
    function settle(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external {
        (bytes32 id, State memory state) = _find(terms);
        bytes32 settled;
        if (bitmap == 0 && signatures.length == 0) {
            if (state.mode != Mode.CHALLENGED) revert WrongMode(id, state.mode);
            if (block.timestamp < state.deadline) revert TooEarly(state.deadline, block.timestamp);
            settled = digest(commitment);
            if (settled != _digests[id]) revert NotTheRecord(_digests[id], settled);
        } else {
            if (state.mode != Mode.LIVE && state.mode != Mode.CHALLENGED) revert WrongMode(id, state.mode);
            settled = _agreed(terms, id, commitment, bitmap, signatures);
            if (commitment.status != WellFormed.FINAL) revert NotFinal(commitment.status);
            if (commitment.nonce < state.nonce) revert StaleNonce(state.nonce, commitment.nonce);
            _digests[id] = settled;
        }
        _payOut(terms, commitment, id, settled, state.held);
    }

    /// @inheritdoc IRegistry
    function claim(
        Terms calldata terms, Commitment calldata commitment, address account, bytes[] calldata accountProof
    ) external {
        (bytes32 id, State memory state) = _settled(terms, commitment);
        if (account == threadAddress(id) || WellFormed.isAmong(account, terms.owners)) {
            revert NotAThirdAccount(account);
        }
        if (claimed[id][account]) revert AlreadyClaimed(account);
        uint256 balance = Proofs.account(commitment.stateRoot, account, accountProof).balance;
        uint256 amount = _take(id, state, balance);
        claimed[id][account] = true;
        emit CLAIMED(id, account, amount);
        _pay(account, amount);
    }

    /// @inheritdoc IRegistry
    function materialize(
        Terms calldata terms,
        Commitment calldata commitment,
        bytes32[] calldata keys,
        bytes32[] calldata values,
        bytes calldata code,
        bytes[] calldata accountProof
    ) external {
        if (keys.length != values.length) revert SlotCount(keys.length, values.length);
        uint256 size = CreationCode.size(keys.length, code.length);
        if (size > CreationCode.MAX_BYTES) revert TooLarge(size, CreationCode.MAX_BYTES);
        (bytes32 id, State memory state) = _settled(terms, commitment);
        address home = threadAddress(id);
        if (Create3.proxyOf(id).code.length != 0) revert AlreadyMaterialized(home);
        Proofs.Account memory account = Proofs.account(commitment.stateRoot, home, accountProof);
        if (account.nonce == 0) revert WrongAccount(bytes32(uint256(1)), 0);
        if (account.codeHash != terms.codeHash) revert WrongAccount(terms.codeHash, account.codeHash);
        if (account.codeHash != keccak256(code)) revert WrongAccount(account.codeHash, keccak256(code));
        if (account.storageRoot != commitment.storageRoot) {
            revert WrongAccount(commitment.storageRoot, account.storageRoot);
        }
        bytes32 root = StorageRoot.rootOf(keys, values);
        if (root != account.storageRoot) revert WrongStorageRoot(account.storageRoot, root);
        uint256 balance = _take(id, state, account.balance);
        emit MATERIALIZED(id, home, balance);
        Create3.create(id, CreationCode.make(keys, values, code), balance);
        if (home.codehash != account.codeHash) revert NotCreated(home);
    }

    // -------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IRegistry
    function slot(Commitment calldata commitment, bytes32 key, bytes[] calldata proof)
        external
        view
        returns (bytes32)
    {
        bytes32 id = commitment.threadId;
        if (_states[id].mode != Mode.SETTLED) revert WrongMode(id, _states[id].mode);
        bytes32 got = digest(commitment);
        if (got != _digests[id]) revert NotTheRecord(_digests[id], got);
        return bytes32(Proofs.slot(commitment.storageRoot, key, proof));
    }

    /// @inheritdoc IRegistry
    function thread(bytes32 id) external view returns (Thread memory) {
        State memory state = _states[id];
        return Thread(_digests[id], state.nonce, state.deadline, state.held, state.mode);
    }

    /// @inheritdoc IRegistry
    function threadId(Terms calldata terms) public view returns (bytes32) {
        return Hashing.digest(domainSeparator, Hashing.hashTerms(terms));
    }

    /// @inheritdoc IRegistry
    function threadAddress(bytes32 id) public view returns (address) {
        return Create3.addressOf(id);
    }

    /// @inheritdoc IRegistry
    function digest(Commitment calldata commitment) public view returns (bytes32) {
        return Hashing.digest(domainSeparator, Hashing.hashCommitment(commitment));
    }

    /// @inheritdoc IRegistry
    function checkTerms(Terms calldata terms) external pure {
        WellFormed.checkTerms(terms);
    }

    /// @inheritdoc IRegistry
    function checkCommitment(Terms calldata terms, Commitment calldata commitment) external pure {
        WellFormed.checkCommitment(terms, commitment);
    }

    /// @inheritdoc IRegistry
    function verify(
        Terms calldata terms, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) external view returns (bytes32) {
        WellFormed.checkTerms(terms);
        return _agreed(terms, threadId(terms), commitment, bitmap, signatures);
    }

    // ----------------------------------------------------------------------------------------------------- the parts

    function _find(Terms calldata terms) private view returns (bytes32 id, State memory state) {
        id = threadId(terms);
        state = _states[id];
    }

    function _findIn(Terms calldata terms, Mode mode) private view returns (bytes32 id, State memory state) {
        (id, state) = _find(terms);
        if (state.mode != mode) revert WrongMode(id, state.mode);
    }

    /// The settled thread of which this is the commitment.
    function _settled(Terms calldata terms, Commitment calldata commitment)
        private
        view
        returns (bytes32 id, State memory state)
    {
        (id, state) = _findIn(terms, Mode.SETTLED);
        bytes32 got = digest(commitment);
        if (got != _digests[id]) revert NotTheRecord(_digests[id], got);
    }

    /// The digest of a well-formed commitment of this thread that enough parties signed.
    function _agreed(
        Terms calldata terms, bytes32 id, Commitment calldata commitment, uint16 bitmap, bytes[] calldata signatures
    ) private view returns (bytes32 agreed) {
        if (commitment.threadId != id) revert WrongThread(id, commitment.threadId);
        WellFormed.checkCommitment(terms, commitment);
        bool byAll = commitment.nonce == 0 || commitment.status == WellFormed.FINAL;
        agreed = digest(commitment);
        Signatures.check(terms.keys, agreed, bitmap, signatures, byAll ? terms.keys.length : terms.threshold);
    }

    /// Makes a commitment the record, if it is a higher one or the first; the caller writes `state`.
    function _record(bytes32 id, State memory state, Commitment calldata commitment, bytes32 agreed) private {
        bytes32 recorded = _digests[id];
        if (agreed == recorded) return;
        if (uint256(recorded) >= BITMAP_LIMIT) {
            if (commitment.nonce < state.nonce) revert StaleNonce(state.nonce, commitment.nonce);
            if (commitment.nonce == state.nonce) revert Equivocation(state.nonce, recorded, agreed);
        }
        _digests[id] = agreed;
        state.nonce = commitment.nonce;
        emit RECORDED(id, commitment.nonce, agreed);
    }

    /// Writes `state`, with the deadline after which the thread can be settled on what is recorded.
    function _startClock(Terms calldata terms, bytes32 id, State memory state, bytes32 recorded) private {
        if (!WellFormed.isAmong(msg.sender, terms.owners) && !WellFormed.isAmong(msg.sender, terms.keys)) {
            revert NotAParty(msg.sender);
        }
        state.mode = Mode.CHALLENGED;
        state.deadline = uint64(block.timestamp) + terms.challengePeriod;
        _states[id] = state;
        emit CHALLENGED(id, state.deadline, state.nonce, recorded);
    }

    /// Ends the thread: the operator's fee and the owners' balances leave what is held, as far as it goes.
    function _payOut(
        Terms calldata terms, Commitment calldata commitment, bytes32 id, bytes32 settled, uint256 held
    ) private {
        uint256 parties = terms.owners.length;
        uint256 fee = _least(commitment.fee, held);
        uint256 rest = held - fee;
        uint256[] memory amounts = new uint256[](parties);
        for (uint256 i = 0; i < parties; ++i) {
            amounts[i] = _least(commitment.balances[i], rest);
            rest -= amounts[i];
        }
        _states[id] = State(commitment.nonce, 0, uint112(rest), Mode.SETTLED);
        emit SETTLED(id, commitment.nonce, settled, uint112(rest));
        _pay(terms.operator, fee);
        for (uint256 i = 0; i < parties; ++i) {
            _pay(terms.owners[i], amounts[i]);
        }
    }

    /// Takes an amount, or as much as there is, from what is held for a settled thread.
    function _take(bytes32 id, State memory state, uint256 wanted) private returns (uint256 amount) {
        amount = _least(wanted, state.held);
        state.held -= uint112(amount);
        _states[id] = state;
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    /// Nothing, or the error that says why the origin's code isn't what the Terms say, or of no use.
    function _checkOrigin(Terms calldata terms) private view {
        address source = terms.origin;
        if (source.codehash != terms.codeHash) revert WrongOriginCode(terms.codeHash, source.codehash);
        uint256 size = source.code.length;
        bytes1 first;
        // Assembly, because Solidity would copy the whole code to see its first byte. Word 0 of memory is free for use.
        assembly ("memory-safe") {
            mstore(0, 0)
            extcodecopy(source, 0, 0, 1)
            first := mload(0)
        }
        if (size == 0 || size > MAX_CODE_BYTES || first == RESERVED_CODE_START) revert UnusableOriginCode(size);
    }
}
