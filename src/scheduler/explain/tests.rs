//! Explanations of small clusters.
