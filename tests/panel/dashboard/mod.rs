//! The overview and what it is made of: states at their borders, failures, days, sizes and space.

mod days;
mod space;
mod states;
