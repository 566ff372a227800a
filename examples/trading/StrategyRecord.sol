// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.25;

import {ITapeoutVerifier, Tapeout} from "Tapeout.sol";

/// @title The record of a trading strategy whose every decision is proven.
/// @notice A feed posts one price a day. On each day the strategy's decision for the next one counts if a proof shows that
/// the committed model gives it on the last prices; the contract makes the model's input from its own prices. On a day
/// without a proof the record is flat, and the day is counted. Whoever has a proof may bring it; who has the model can make
/// one.
contract StrategyRecord {
    /// Only the price feed may do this.
    error NotFeed();
    /// A price of zero.
    error NoPrice();
    /// There are too few prices yet.
    error TooEarly();
    /// The decision for tomorrow has been made.
    error AlreadyDecided();

    event Decided(uint256 indexed day, int256 position);
    event Closed(uint256 indexed day, int256 position, uint256 equity);

    /// The model sees this many daily returns.
    uint256 public constant WINDOW = 16;
    /// The record begins with this.
    uint256 public constant START = 1e18;

    ITapeoutVerifier public immutable verifier;
    address public immutable feed;
    /// A return of one percent is 2^inputBits in the model's input.
    uint256 public immutable inputBits;

    uint256[] public prices;
    /// -1 short, 0 flat, 1 long: for the time until the next price.
    int256 public position;
    bool public decided;
    /// What START would have become, costs left out.
    uint256 public equity = START;
    /// Days on which the strategy made a decision, and days on which it could have and did not.
    uint256 public decisions;
    uint256 public silences;

    constructor(ITapeoutVerifier verifier_, bytes32 vkDigest, address feed_, uint256 inputBits_) {
        Tapeout.requireKey(verifier_, vkDigest);
        verifier = verifier_;
        feed = feed_;
        inputBits = inputBits_;
    }

    /// @notice Number of prices.
    function day() public view returns (uint256) {
        return prices.length;
    }

    /// @notice The feed closes a day: the position of yesterday has earned what it has.
    function post(uint256 price) external {
        if (msg.sender != feed) revert NotFeed();
        if (price == 0) revert NoPrice();
        if (prices.length > WINDOW) {
            uint256 before = prices[prices.length - 1];
            int256 gain = position * (int256(price) - int256(before)) * int256(equity) / int256(before);
            // Short of everything at most.
            equity = gain < -int256(equity) ? 0 : uint256(int256(equity) + gain);
            if (!decided) silences++;
        }
        prices.push(price);
        emit Closed(prices.length, position, equity);
        position = 0;
        decided = false;
    }

    /// @notice The model's input today, as the words of a proof: the last returns in percent, rounded toward zero.
    function input() public view returns (uint256[] memory words) {
        if (prices.length <= WINDOW) revert TooEarly();
        words = new uint256[](WINDOW);
        uint256 first = prices.length - WINDOW;
        for (uint256 i = 0; i < WINDOW; i++) {
            int256 before = int256(prices[first + i - 1]);
            words[i] = Tapeout.word((int256(prices[first + i]) - before) * int256(100 << inputBits) / before);
        }
    }

    /// @notice What a proof must be bound to: this record, on this chain, today.
    function context() public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), day()));
    }

    /// @notice Takes the strategy's decision for tomorrow.
    /// @param outputs the model's three outputs, as `tapeout evm` writes them: short, flat, long
    function decide(bytes calldata proof, uint256[3] calldata outputs) external {
        if (decided) revert AlreadyDecided();
        uint256[] memory returns_ = input();
        uint256[] memory words = new uint256[](WINDOW + 3);
        for (uint256 i = 0; i < WINDOW; i++) words[i] = returns_[i];
        for (uint256 i = 0; i < 3; i++) words[WINDOW + i] = outputs[i];
        // Reverts unless the proof holds.
        verifier.verify(proof, words, context());
        (int256 short_, int256 flat, int256 long_) =
            (Tapeout.number(outputs[0]), Tapeout.number(outputs[1]), Tapeout.number(outputs[2]));
        position = flat >= short_ && flat >= long_ ? int256(0) : (long_ > short_ ? int256(1) : int256(-1));
        decided = true;
        decisions++;
        emit Decided(day(), position);
    }
}
