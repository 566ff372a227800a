// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.25;

import {ITapeoutInputVerifier, Tapeout} from "Tapeout.sol";

/// @title Pays a loan out once to each applicant whose score, by a committed model, is above a threshold.
/// @notice The score is proven, not computed here, and the applicant's features stay secret: a bureau registers a commitment to them, and
/// the proof is about the input with that commitment. Whoever deploys names the model by the digest of its verifying key.
contract Lending {
    /// Only the bureau may do this.
    error NotBureau();
    /// No features are registered for the caller, or others than the proof is about.
    error OtherFeatures();
    /// The score is not above the threshold.
    error ScoreTooLow(int256 score);
    /// This applicant was paid.
    error AlreadyPaid();
    /// The applicant did not take the payment.
    error PaymentFailed();

    event Registered(address indexed applicant, bytes commitment);
    event Paid(address indexed applicant, int256 score);

    ITapeoutInputVerifier public immutable verifier;
    address public immutable bureau;
    int256 public immutable threshold;
    uint256 public immutable amount;

    /// keccak256 of the commitment to an applicant's features.
    mapping(address applicant => bytes32) public featuresOf;
    mapping(address applicant => bool) public paid;

    /// @param threshold_ in units of the model's output, which `tapeout inspect model.vk` shows
    constructor(ITapeoutInputVerifier verifier_, bytes32 vkDigest, address bureau_, int256 threshold_, uint256 amount_) {
        Tapeout.requireKey(verifier_, vkDigest);
        verifier = verifier_;
        bureau = bureau_;
        threshold = threshold_;
        amount = amount_;
    }

    /// @notice Anybody may fund the loans.
    receive() external payable {}

    /// @notice The bureau states what is known of an applicant, without showing it.
    /// @param commitment the 64 bytes that `tapeout commit` prints
    function register(address applicant, bytes calldata commitment) external {
        if (msg.sender != bureau) revert NotBureau();
        featuresOf[applicant] = keccak256(commitment);
        emit Registered(applicant, commitment);
    }

    /// @notice What an applicant's proof must be bound to (`tapeout prove --context`): it is of no use to anybody else, to another
    /// contract or on another chain.
    function contextOf(address applicant) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), applicant));
    }

    /// @notice Pays the caller if the proof shows a score above the threshold.
    /// @param proof the proof, without the header of a proof file
    /// @param publicInputs the score, as `tapeout evm` writes it
    function claim(bytes calldata proof, uint256[] calldata publicInputs) external {
        if (paid[msg.sender]) revert AlreadyPaid();
        // Reverts unless the proof holds; then there is one word, in the fixed-point range.
        verifier.verify(proof, publicInputs, contextOf(msg.sender));
        if (Tapeout.inputOf(verifier, proof) != featuresOf[msg.sender]) revert OtherFeatures();
        int256 score = Tapeout.number(publicInputs[0]);
        if (score <= threshold) revert ScoreTooLow(score);
        paid[msg.sender] = true;
        emit Paid(msg.sender, score);
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert PaymentFailed();
    }
}
