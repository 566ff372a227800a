// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.25;

/// @notice What `tapeout evm` writes, as far as it is called here.
interface ITapeoutVerifier {
    function verify(bytes calldata proof, uint256[] calldata publicInputs, bytes32 context) external view returns (bool);
    function VK_DIGEST() external view returns (bytes32);
}

/// @title Pays out once to each applicant whose score, by a committed model, is above a threshold.
/// @notice The score is proven, not computed here: the model has a public input (the applicant's features, which an assessor
/// registered) and one public output, the score. Whoever deploys names the model by the digest of its verifying key.
contract GuardedPayout {
    /// The verifier at this address is not that of the model.
    error OtherModel(bytes32 expected, bytes32 got);
    /// Only the assessor may do this.
    error NotAssessor();
    /// No features are registered, or others than the proof is about.
    error OtherFeatures();
    /// The score is not above the threshold.
    error ScoreTooLow(int256 score);
    /// This applicant was paid.
    error AlreadyPaid();
    /// The applicant did not take the payment.
    error PaymentFailed();

    event Registered(address indexed applicant, bytes32 features);
    event Paid(address indexed applicant, int256 score);

    /// Order of the scalar field: a public word v above half of it stands for the negative v - R.
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    ITapeoutVerifier public immutable verifier;
    address public immutable assessor;
    int256 public immutable threshold;
    uint256 public immutable amount;

    /// keccak256 of the features that count for an applicant, as the words of the proof.
    mapping(address applicant => bytes32) public featuresOf;
    mapping(address applicant => bool) public paid;

    /// @param threshold_ in the model's fixed-point format: the score times the output's scale
    constructor(ITapeoutVerifier verifier_, bytes32 vkDigest, int256 threshold_, uint256 amount_) {
        bytes32 got = verifier_.VK_DIGEST();
        if (got != vkDigest) revert OtherModel(vkDigest, got);
        verifier = verifier_;
        assessor = msg.sender;
        threshold = threshold_;
        amount = amount_;
    }

    /// @notice Anybody may fund the payments.
    receive() external payable {}

    /// @notice The assessor states what is known of an applicant.
    /// @param features keccak256 of the model's input as the words of a proof
    function register(address applicant, bytes32 features) external {
        if (msg.sender != assessor) revert NotAssessor();
        featuresOf[applicant] = features;
        emit Registered(applicant, features);
    }

    /// @notice What an applicant's proof must be bound to (`tapeout prove --context`): it is of no use to anybody else, to another
    /// contract or on another chain.
    function contextOf(address applicant) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), applicant));
    }

    /// @notice Pays the caller if the proof shows a score above the threshold.
    /// @param proof the proof, without the header of a proof file
    /// @param publicInputs the registered features, then the score
    function claim(bytes calldata proof, uint256[] calldata publicInputs) external {
        if (paid[msg.sender]) revert AlreadyPaid();
        uint256 last = publicInputs.length - 1;
        bytes32 features = keccak256(abi.encodePacked(publicInputs[:last]));
        if (features != featuresOf[msg.sender]) revert OtherFeatures();
        // Reverts unless the proof holds; then every word is in the fixed-point range.
        verifier.verify(proof, publicInputs, contextOf(msg.sender));
        uint256 word = publicInputs[last];
        int256 score = word > R / 2 ? int256(word) - int256(R) : int256(word);
        if (score <= threshold) revert ScoreTooLow(score);
        paid[msg.sender] = true;
        emit Paid(msg.sender, score);
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert PaymentFailed();
    }
}
