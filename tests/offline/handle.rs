//! Tests of this part come with the next commits.
