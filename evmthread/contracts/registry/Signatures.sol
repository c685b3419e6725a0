// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRegistry} from "./IRegistry.sol";

/// @title Signatures: whether enough keys signed a digest
/// @dev Strict: one signature, one form. A second form of the same signature (high s, another v) is refused, and a set
/// can't name a key twice or in another order.
library Signatures {
    uint256 private constant SIGNATURE_BYTES = 65; // r, s, v
    /// Half of the order of secp256k1, rounded down: s above it is the other form of a signature (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// Nothing, or the error that says what is wrong: at least `needed` of the keys signed, and each signature that is
    /// given is its key's.
    function check(
        address[] calldata keys, bytes32 digest, uint16 bitmap, bytes[] calldata signatures, uint256 needed
    ) internal pure {
        if (uint256(bitmap) >> keys.length != 0) revert IRegistry.UnknownSigner(bitmap, keys.length);
        uint256 named = 0;
        for (uint256 rest = bitmap; rest != 0; rest &= rest - 1) {
            ++named;
        }
        if (named != signatures.length) revert IRegistry.SignatureCount(named, signatures.length);
        if (named < needed) revert IRegistry.NotEnoughSignatures(needed, named);
        uint256 used = 0;
        for (uint256 i = 0; used < named; ++i) {
            if ((bitmap >> i) & 1 == 0) continue;
            address signer = recover(digest, signatures[used++]);
            if (signer == address(0)) revert IRegistry.MalformedSignature(i);
            if (signer != keys[i]) revert IRegistry.WrongSignature(i, keys[i], signer);
        }
    }

    /// Who made a signature; zero where it is none.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        if (signature.length != SIGNATURE_BYTES) return address(0);
        bytes32 r = bytes32(signature[:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v = uint8(signature[64]);
        if (v != 27 && v != 28) return address(0);
        if (uint256(s) > HALF_ORDER) return address(0);
        // The precompile gives zero for r or s zero or not below the order, and where no key recovers.
        return ecrecover(digest, v, r, s);
    }
}
