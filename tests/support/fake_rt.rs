//! A scripted RT.
