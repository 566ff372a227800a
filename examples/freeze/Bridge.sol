// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.25;

import {ITapeoutVerifier, Tapeout} from "Tapeout.sol";

/// @title A bridge that anybody can freeze who proves that its outflows are strange.
/// @notice A committed detector gives the last 24 hours a score. The bridge makes the detector's input from its own ledger, so that nobody
/// freezes it over outflows that it did not have, and pays whoever brings a proof of a score above the threshold.
contract Bridge {
    /// Only the keeper may do this.
    error NotKeeper();
    /// Only the guardian may do this.
    error NotGuardian();
    /// The bridge is frozen.
    error IsFrozen();
    /// The ledger has no full day yet.
    error TooEarly();
    /// The score is not above the threshold.
    error NotStrange(int256 score);
    /// The watcher did not take the reward.
    error RewardFailed();

    event Withdrawn(address indexed to, uint256 tokens);
    event Frozen(address indexed watcher, int256 score);
    event Thawed();

    uint256 public constant HOURS = 24;
    /// No hour counts for more than this many tokens: the detector knows no numbers far beyond, and a drain need not look
    /// worse to be seen.
    uint256 public constant CAP = 8000;

    ITapeoutVerifier public immutable verifier;
    address public immutable keeper;
    address public immutable guardian;
    int256 public immutable threshold;
    uint256 public immutable reward;
    /// A thousand tokens are 2^inputBits in the detector's input.
    uint256 public immutable inputBits;

    /// Outflow in the latest hour with each number.
    uint256[HOURS] public outflows;
    /// Hours that have ended.
    uint256 public hoursEnded;
    uint256 public current;
    bool public frozen;

    constructor(
        ITapeoutVerifier verifier_,
        bytes32 vkDigest,
        address keeper_,
        address guardian_,
        int256 threshold_,
        uint256 inputBits_,
        uint256 reward_
    ) {
        Tapeout.requireKey(verifier_, vkDigest);
        (verifier, keeper, guardian) = (verifier_, keeper_, guardian_);
        (threshold, inputBits, reward) = (threshold_, inputBits_, reward_);
    }

    /// @notice Anybody may fund rewards.
    receive() external payable {}

    /// @notice Somebody takes tokens to the other side. What a bridge checks besides is left out here.
    function withdraw(uint256 tokens) external {
        if (frozen) revert IsFrozen();
        current += tokens;
        emit Withdrawn(msg.sender, tokens);
    }

    /// @notice The keeper ends an hour.
    function endHour() external {
        if (msg.sender != keeper) revert NotKeeper();
        outflows[hoursEnded % HOURS] = current;
        hoursEnded++;
        current = 0;
    }

    /// @notice The detector's input now, as the words of a proof: outflows by the hour of the day, in thousands of tokens.
    function input() public view returns (uint256[] memory words) {
        if (hoursEnded < HOURS) revert TooEarly();
        words = new uint256[](HOURS);
        for (uint256 i = 0; i < HOURS; i++) {
            uint256 tokens = outflows[i] < CAP ? outflows[i] : CAP;
            words[i] = (tokens << inputBits) / 1000;
        }
    }

    /// @notice What a watcher's proof must be bound to: who sees it waiting to be included cannot send it in the watcher's place.
    function contextOf(address watcher) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), hoursEnded, watcher));
    }

    /// @notice Freezes the bridge if the proof shows a score above the threshold.
    /// @param score the detector's output, as `tapeout evm` writes it
    function freeze(bytes calldata proof, uint256 score) external {
        if (frozen) revert IsFrozen();
        uint256[] memory ledger = input();
        uint256[] memory words = new uint256[](HOURS + 1);
        for (uint256 i = 0; i < HOURS; i++) words[i] = ledger[i];
        words[HOURS] = score;
        // Reverts unless the proof holds.
        verifier.verify(proof, words, contextOf(msg.sender));
        int256 number = Tapeout.number(score);
        if (number <= threshold) revert NotStrange(number);
        frozen = true;
        emit Frozen(msg.sender, number);
        (bool sent,) = msg.sender.call{value: reward}("");
        if (!sent) revert RewardFailed();
    }

    /// @notice The guardian has looked into it.
    function thaw() external {
        if (msg.sender != guardian) revert NotGuardian();
        frozen = false;
        emit Thawed();
    }
}
