//! Sums up the jobs of a day as HTML and CSV.
