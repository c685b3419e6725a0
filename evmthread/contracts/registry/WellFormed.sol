// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Commitment, CommitmentClause, IRegistry, Terms, TermsClause} from "./IRegistry.sol";

/// @title WellFormed: what must hold of Terms, and of a Commitment under its Terms
/// @dev The same clauses in the same order as evmthread.commit; tests/vectors/commitment.json holds them together.
library WellFormed {
    uint8 internal constant REST = 0;
    uint8 internal constant SUSPENDED = 1;
    uint8 internal constant FINAL = 2;

    uint256 private constant MIN_PARTIES = 2;
    uint256 private constant MAX_PARTIES = 16;
    uint256 private constant MIN_CHALLENGE_PERIOD = 60 seconds;
    uint256 private constant MAX_CHALLENGE_PERIOD = 30 days;

    /// Nothing, or IllFormedTerms.
    function checkTerms(Terms calldata terms) internal pure {
        uint256 parties = terms.owners.length;
        _hold(terms.keys.length == parties && terms.deposits.length == parties, TermsClause.EQUAL_LENGTHS);
        _hold(MIN_PARTIES <= parties && parties <= MAX_PARTIES, TermsClause.PARTIES);
        _checkOwners(terms.owners);
        _checkKeys(terms.keys, terms.owners);
        _hold(2 * uint256(terms.threshold) > parties && terms.threshold <= parties, TermsClause.THRESHOLD);
        _hold(totalOf(terms.deposits) <= type(uint112).max, TermsClause.TOTAL_DEPOSIT);
        _hold(terms.operator != address(0) || terms.maxFee == 0, TermsClause.FEE_WITHOUT_OPERATOR);
        for (uint256 i = 0; i < parties; ++i) {
            uint256 reserve = terms.maxFee / parties + (i < terms.maxFee % parties ? 1 : 0);
            _hold(terms.deposits[i] >= reserve, TermsClause.RESERVES);
        }
        _hold(
            MIN_CHALLENGE_PERIOD <= terms.challengePeriod && terms.challengePeriod <= MAX_CHALLENGE_PERIOD,
            TermsClause.CHALLENGE_PERIOD
        );
        _hold(terms.asset == address(0), TermsClause.ASSET);
    }

    /// Nothing, or IllFormedCommitment.
    function checkCommitment(Terms calldata terms, Commitment calldata commitment) internal pure {
        bool suspended = commitment.status == SUSPENDED;
        _hold(commitment.status <= FINAL, CommitmentClause.STATUS);
        _hold(commitment.balances.length == terms.owners.length, CommitmentClause.BALANCES);
        _hold(commitment.fee <= terms.maxFee, CommitmentClause.FEE);
        _hold((commitment.machineHash != 0) == suspended, CommitmentClause.MACHINE_HASH);
        _hold(
            suspended ? isAmong(commitment.awaiting, terms.owners) : commitment.awaiting == address(0),
            CommitmentClause.AWAITING
        );
        _hold((commitment.parent == 0) == (commitment.nonce == 0), CommitmentClause.PARENT);
        uint256 limit = totalOf(terms.deposits);
        uint256 total = totalOf(commitment.balances);
        // The fee is compared by itself first, so that the sum can't overflow.
        _hold(commitment.fee <= limit && total + commitment.fee <= limit, CommitmentClause.SUM);
        _hold(commitment.nonce != 0 || commitment.status == REST, CommitmentClause.GENESIS_STATUS);
    }

    /// The sum of amounts; where it can't be one that the registry holds, anything above 2^112.
    function totalOf(uint256[] calldata amounts) internal pure returns (uint256 total) {
        for (uint256 i = 0; i < amounts.length; ++i) {
            if (amounts[i] > type(uint112).max) return type(uint128).max;
            total += amounts[i];
        }
    }

    function isAmong(address account, address[] calldata accounts) internal pure returns (bool) {
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (accounts[i] == account) return true;
        }
        return false;
    }

    function _checkOwners(address[] calldata owners) private pure {
        for (uint256 i = 0; i < owners.length; ++i) {
            _hold(owners[i] != address(0), TermsClause.OWNERS_NON_ZERO);
        }
        for (uint256 i = 1; i < owners.length; ++i) {
            _hold(owners[i - 1] < owners[i], TermsClause.OWNERS_ASCENDING);
        }
    }

    function _checkKeys(address[] calldata keys, address[] calldata owners) private pure {
        for (uint256 i = 0; i < keys.length; ++i) {
            _hold(keys[i] != address(0), TermsClause.KEYS_NON_ZERO);
        }
        for (uint256 i = 0; i < keys.length; ++i) {
            for (uint256 j = 0; j < i; ++j) {
                _hold(keys[i] != keys[j], TermsClause.KEYS_DISTINCT);
            }
        }
        for (uint256 i = 0; i < keys.length; ++i) {
            for (uint256 j = 0; j < owners.length; ++j) {
                _hold(i == j || keys[i] != owners[j], TermsClause.KEY_IS_OTHERS_OWNER);
            }
        }
    }

    function _hold(bool holds, TermsClause clause) private pure {
        if (!holds) revert IRegistry.IllFormedTerms(clause);
    }

    function _hold(bool holds, CommitmentClause clause) private pure {
        if (!holds) revert IRegistry.IllFormedCommitment(clause);
    }
}
