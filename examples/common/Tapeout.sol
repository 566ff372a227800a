// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.25;

/// @notice What `tapeout evm` writes, as far as it is called here.
interface ITapeoutVerifier {
    function verify(bytes calldata proof, uint256[] calldata publicInputs, bytes32 context) external view returns (bool);
    function VK_DIGEST() external view returns (bytes32);
}

/// @notice Likewise, for keys whose input is committed to.
interface ITapeoutInputVerifier is ITapeoutVerifier {
    /// Where the commitment to the input begins in a proof: 64 bytes.
    function INPUT_COMMITMENT() external view returns (uint256);
}

/// @title What contracts that act on proofs have in common.
library Tapeout {
    /// The verifier at this address is not that of the model.
    error OtherModel(bytes32 expected, bytes32 got);

    /// Order of the scalar field: a public word above half of it stands for a negative number.
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @notice Refuses a verifier of any other key than the one with this digest.
    function requireKey(ITapeoutVerifier verifier, bytes32 vkDigest) internal view {
        bytes32 got = verifier.VK_DIGEST();
        if (got != vkDigest) revert OtherModel(vkDigest, got);
    }

    /// @notice The number that a word stands for, which a verifier has accepted.
    function number(uint256 word) internal pure returns (int256) {
        return word > R / 2 ? int256(word) - int256(R) : int256(word);
    }

    /// @notice The word that stands for a number.
    function word(int256 value) internal pure returns (uint256) {
        return value < 0 ? R - uint256(-value) : uint256(value);
    }

    /// @notice keccak256 of the commitment to the input that a proof shows.
    function inputOf(ITapeoutInputVerifier verifier, bytes calldata proof) internal view returns (bytes32) {
        uint256 at = verifier.INPUT_COMMITMENT();
        return keccak256(proof[at:at + 64]);
    }
}
