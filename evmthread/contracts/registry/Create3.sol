// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Create3: a contract at an address that depends on the thread's id alone
/// @dev A proxy, made with CREATE2 and the id as salt, creates the contract with its first CREATE: neither address
/// depends on the contract's code or storage.
library Create3 {
    /// The proxy's creation code. What it deploys, 363d3d37363d34f0, creates a contract from its calldata:
    /// CALLDATASIZE RETURNDATASIZE RETURNDATASIZE CALLDATACOPY CALLDATASIZE RETURNDATASIZE CALLVALUE CREATE.
    bytes16 private constant PROXY_CODE = 0x67363d3d37363d34f03d5260086018f3;

    /// The proxy of a thread of this registry.
    function proxyOf(bytes32 id) internal view returns (address) {
        bytes32 codeHash = keccak256(abi.encodePacked(PROXY_CODE));
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), id, codeHash)))));
    }

    /// The contract of a thread of this registry: what its proxy creates with nonce 1.
    function addressOf(bytes32 id) internal view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", proxyOf(id), hex"01")))));
    }

    /// Creates the proxy and, by it, the contract with `value` wei. The caller looks at what came of it.
    function create(bytes32 id, bytes memory creationCode, uint256 value) internal {
        bytes memory proxyCode = abi.encodePacked(PROXY_CODE);
        address proxy;
        // Assembly, because Solidity's `new` takes only contracts that it compiles itself.
        assembly ("memory-safe") {
            proxy := create2(0, add(proxyCode, 32), mload(proxyCode), id)
        }
        // Assembly, because a call in Solidity would ask first whether there is code, and copy what is returned.
        assembly ("memory-safe") {
            pop(call(gas(), proxy, value, add(creationCode, 32), mload(creationCode), 0, 0))
        }
    }
}
