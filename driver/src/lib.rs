//! Tapeout driver.
