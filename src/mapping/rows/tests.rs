//! The rows of whole orders, to the digit.
