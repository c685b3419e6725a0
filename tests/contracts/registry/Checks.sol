// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Hashing} from "../../../evmthread/contracts/registry/Hashing.sol";
import {Proofs} from "../../../evmthread/contracts/registry/Proofs.sol";
import {Signatures} from "../../../evmthread/contracts/registry/Signatures.sol";
import {StorageRoot} from "../../../evmthread/contracts/registry/StorageRoot.sol";

/// What the registry is made of, laid open for tests.
contract Checks {
    struct Case {
        bytes32 root;
        bytes32 key;
        bytes[] proof;
    }

    /// What happened to a proof: refused, or what it proves (nothing, for absence).
    struct Verdict {
        bool accepted;
        bytes value;
    }

    /// The value under a hashed key.
    function valueAt(bytes32 root, bytes32 key, bytes[] calldata proof) external pure returns (bytes memory) {
        return Proofs.valueAt(root, key, proof);
    }

    /// The verdicts on many proofs.
    function verdicts(Case[] calldata cases) external view returns (Verdict[] memory found) {
        found = new Verdict[](cases.length);
        for (uint256 i = 0; i < cases.length; ++i) {
            try this.valueAt(cases[i].root, cases[i].key, cases[i].proof) returns (bytes memory value) {
                found[i] = Verdict(true, value);
            } catch {}
        }
    }

    function account(bytes32 stateRoot, address place, bytes[] calldata proof)
        external
        pure
        returns (Proofs.Account memory)
    {
        return Proofs.account(stateRoot, place, proof);
    }

    function slot(bytes32 storageRoot, bytes32 key, bytes[] calldata proof) external pure returns (uint256) {
        return Proofs.slot(storageRoot, key, proof);
    }

    function rootOf(bytes32[] calldata keys, bytes32[] calldata values) external pure returns (bytes32) {
        return StorageRoot.rootOf(keys, values);
    }

    function recover(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return Signatures.recover(digest, signature);
    }

    function hashResume(bytes32 threadId, uint64 deadline) external pure returns (bytes32) {
        return Hashing.hashResume(threadId, deadline);
    }
}
