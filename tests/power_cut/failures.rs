//! Each call of the disk fails in turn.
