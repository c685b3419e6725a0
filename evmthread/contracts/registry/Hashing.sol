// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Commitment, Terms} from "./IRegistry.sol";

/// @title Hashing: the hashStruct of each signed record, and the digest under a domain (EIP-712)
/// @dev An array of words is hashed as its words one after the other, which is what encodePacked makes of it.
library Hashing {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant TERMS_TYPE = keccak256(
        "Terms(address origin,bytes32 codeHash,bytes32 ruleset,address asset,address[] keys,address[] owners,"
        "uint256[] deposits,uint8 threshold,address operator,uint256 maxFee,uint32 challengePeriod,uint64 openBefore,"
        "uint256 salt)"
    );
    bytes32 private constant COMMITMENT_TYPE = keccak256(
        "Commitment(bytes32 threadId,uint64 nonce,bytes32 parent,uint8 status,address awaiting,bytes32 stateRoot,"
        "bytes32 storageRoot,bytes32 machineHash,bytes32 batchHash,bytes32 receiptsRoot,uint64 gasUsed,"
        "uint256[] balances,uint256 fee)"
    );
    bytes32 private constant RESUME_TYPE = keccak256("Resume(bytes32 threadId,uint64 deadline)");

    /// The domain separator of a registry on this chain.
    function separator(address registry) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, keccak256("evmthread"), keccak256("1"), block.chainid, registry));
    }

    /// What is signed, and what links refer to.
    function digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function hashTerms(Terms calldata terms) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                TERMS_TYPE,
                terms.origin,
                terms.codeHash,
                terms.ruleset,
                terms.asset,
                keccak256(abi.encodePacked(terms.keys)),
                keccak256(abi.encodePacked(terms.owners)),
                keccak256(abi.encodePacked(terms.deposits)),
                terms.threshold,
                terms.operator,
                terms.maxFee,
                terms.challengePeriod,
                terms.openBefore,
                terms.salt
            )
        );
    }

    function hashCommitment(Commitment calldata commitment) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                COMMITMENT_TYPE,
                commitment.threadId,
                commitment.nonce,
                commitment.parent,
                commitment.status,
                commitment.awaiting,
                commitment.stateRoot,
                commitment.storageRoot,
                commitment.machineHash,
                commitment.batchHash,
                commitment.receiptsRoot,
                commitment.gasUsed,
                keccak256(abi.encodePacked(commitment.balances)),
                commitment.fee
            )
        );
    }

    /// The word of all parties that the challenge with this deadline is called off.
    function hashResume(bytes32 threadId, uint64 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESUME_TYPE, threadId, deadline));
    }
}
