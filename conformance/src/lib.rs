//! The place of the conformance judge. It holds no case yet and judges nothing.
