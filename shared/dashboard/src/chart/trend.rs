//! A number over time, as a line the size of a word.

use super::{
    part,
    text::{draw, escape},
};

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 22.0;

/// Draws a line through numbers at equal distances. No numbers make no drawing; one is a level line.
#[must_use]
pub fn trend(title: &str, numbers: &[u64]) -> Option<String> {
    let most = numbers.iter().copied().max()?;
    let numbers = if let [one] = numbers { &[*one, *one] } else { numbers };
    let step = WIDTH / (numbers.len() - 1) as f64;
    let mut line = String::new();
    for (index, number) in numbers.iter().enumerate() {
        let height = HEIGHT - 1.0 - part(*number, most, HEIGHT - 3.0, 1.0);
        let letter = if index == 0 { 'M' } else { 'L' };
        draw(&mut line, format_args!("{letter}{:.1} {height:.1}", index as f64 * step));
    }
    Some(format!(
        r#"<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{}"><path class="c-area" d="{line}V{HEIGHT}H0z"/><path class="c-line" d="{line}"/></svg>"#,
        escape(title)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_makes_no_drawing_and_one_number_a_level_line() {
        assert_eq!(trend("failures", &[]), None);
        assert!(trend("failures", &[7]).unwrap().contains(r#"d="M0.0 2.0L96.0 2.0""#));
    }

    #[test]
    fn zeros_and_the_largest_numbers_stay_inside() {
        for numbers in [[0, 0, 0], [0, u64::MAX, 1]] {
            let svg = trend("<b>", &numbers).unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<b>"), "{svg}");
        }
    }
}
