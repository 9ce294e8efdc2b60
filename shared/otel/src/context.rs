//! Trace contexts of messages, as OpenTelemetry has them.

use lamplighter::message::Trace;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The flags that are defined: sampled, and that the trace's id is random (W3C Trace Context, level 2, "trace-flags").
const FLAGS: u8 = 0b11;

/// The context of a span elsewhere; `None` when it is invalid.
pub(crate) fn span_context(trace: &Trace) -> Option<SpanContext> {
    let (trace_id, span_id, flags) = trace.ids()?;
    // OpenTelemetry's grammar is that of level 1: what it does not know is left out.
    let state = trace.tracestate.as_deref().and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let flags = TraceFlags::new(flags & FLAGS);
    Some(SpanContext::new(TraceId::from(trace_id), SpanId::from(span_id), flags, true, state))
}

/// The context of a span here, for messages; `None` where nothing is traced.
pub(crate) fn trace(span: &SpanContext) -> Option<Trace> {
    if !span.is_valid() {
        return None;
    }
    let flags = span.trace_flags().to_u8() & FLAGS;
    let state = span.trace_state().header();
    Trace::new(&format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()), Some(&state))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_comes_back_as_it_went() {
        for parent in [PARENT, &PARENT.replace("-01", "-00"), &PARENT.replace("-01", "-03")] {
            for state in [None, Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")] {
                let before = Trace::new(parent, state).unwrap();
                let span = span_context(&before).unwrap();
                assert!(span.is_remote() && span.is_sampled() != parent.ends_with('0'));
                assert_eq!(trace(&span), Some(before));
            }
        }
    }

    #[test]
    fn a_later_version_becomes_the_known_one_without_unknown_flags() {
        let before =
            Trace::new(&format!("{}-more", PARENT.replace("00-4", "01-4").replace("-01", "-fd")), None).unwrap();
        assert_eq!(trace(&span_context(&before).unwrap()), Trace::new(PARENT, None));
    }

    #[test]
    fn no_context_is_none() {
        assert_eq!(trace(&SpanContext::NONE), None);
        let invalid = Trace { traceparent: "00-1-2-01".into(), tracestate: None };
        assert_eq!(span_context(&invalid), None);
    }
}
