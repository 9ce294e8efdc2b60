//! Arguments over several lines, for people to edit.

use std::borrow::Cow;

use lamplighter::RawValue;

/// More levels than anybody reads: deeper JSON stays on its line.
const DEEPEST: usize = 60;
/// How many times its length laid-out JSON may have, beside the lines of a short one.
const MOST_TIMES: usize = 4;
const SHORT: usize = 16 << 10;

/// JSON over several lines. Digits, texts and the order of fields stay as they are. What would grow too much, or is nested too
/// deeply, stays as it is.
pub(super) fn pretty(args: &RawValue) -> Cow<'_, str> {
    laid_out(args.get()).map_or_else(|| args.get().into(), Cow::Owned)
}

fn laid_out(args: &str) -> Option<String> {
    let most = args.len().saturating_mul(MOST_TIMES).max(SHORT);
    let (mut laid_out, mut depth, mut is_text, mut is_escaped) = (String::new(), 0_usize, false, false);
    let mut characters = args.chars().peekable();
    let line = |laid_out: &mut String, depth: usize| {
        laid_out.push('\n');
        laid_out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(character) = characters.next() {
        if depth > DEEPEST || laid_out.len() > most {
            return None;
        }
        if is_text {
            (is_text, is_escaped) = (is_escaped || character != '"', !is_escaped && character == '\\');
            laid_out.push(character);
            continue;
        }
        match character {
            blank if blank.is_ascii_whitespace() => {}
            '{' | '[' => {
                laid_out.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => laid_out.push(end),
                    None => {
                        depth += 1;
                        line(&mut laid_out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut laid_out, depth);
                laid_out.push(character);
            }
            ',' => {
                laid_out.push(character);
                line(&mut laid_out, depth);
            }
            ':' => laid_out.push_str(": "),
            other => {
                is_text = other == '"';
                laid_out.push(other);
            }
        }
    }
    (laid_out.len() <= most).then_some(laid_out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.into()).unwrap()
    }

    #[test]
    fn arguments_are_laid_out_and_stay_what_they_are() {
        assert_eq!(
            pretty(&raw(r#"{"b":1.00,"a":[],"c":[{}, 2]}"#)),
            "{\n  \"b\": 1.00,\n  \"a\": [],\n  \"c\": [\n    {},\n    2\n  ]\n}"
        );
        let texts = r#"{"t":"a,b:{[\\\"]} ","u":"\\"}"#;
        let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        assert_eq!(value(&pretty(&raw(texts))), value(texts));
        assert!(pretty(&raw(texts)).contains(r#""a,b:{[\\\"]} ""#));
    }

    #[test]
    fn what_is_nested_deeply_stays_on_its_line() {
        let nested = |levels: usize| raw(&format!("{}1{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(pretty(&nested(60)).contains('\n'));
        let deep = nested(100);
        assert_eq!(pretty(&deep), deep.get());
        // At fifty levels, each of many lines would be a hundred blanks.
        let wide = raw(&format!("{}{}1{}", "[".repeat(50), "1,".repeat(20_000), "]".repeat(50)));
        assert_eq!(pretty(&wide), wide.get());
        let flat = raw(&format!("[{}1]", "\"some text\",".repeat(20_000)));
        assert!(pretty(&flat).contains('\n'));
    }
}
