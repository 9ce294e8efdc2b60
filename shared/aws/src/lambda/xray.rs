//! X-Ray's tracing header, as a trace context of the W3C's.

use lamplighter::message::Trace;

/// Far longer than any header of X-Ray's, lineage included.
const LONGEST: usize = 1024;

/// Reads a tracing header: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1` (AWS X-Ray
/// Developer Guide, "Tracing header"). The two last parts of the root make up the id of the trace. Other fields, such
/// as `Lineage` and `Self`, are left out. `None` when one of these three is missing or invalid, or when whether the
/// trace is sampled has not been decided: such a header is no context to continue.
pub(crate) fn trace(header: &str) -> Option<Trace> {
    if header.len() > LONGEST {
        return None;
    }
    let fields = header.split(';').filter_map(|field| field.trim().split_once('='));
    let (mut root, mut parent, mut sampled) = (None, None, None);
    for (name, value) in fields {
        let field = match name {
            "Root" => &mut root,
            "Parent" => &mut parent,
            "Sampled" => &mut sampled,
            _ => continue,
        };
        field.get_or_insert(value);
    }
    let (time, rest) = root?.strip_prefix("1-")?.split_once('-')?;
    let (parent, sampled) = (parent?, sampled?);
    let is_valid = time.len() == 8 && rest.len() == 24 && matches!(sampled, "0" | "1");
    is_valid.then(|| Trace::new(&format!("00-{time}{rest}-{parent}-0{sampled}"), None)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_becomes_a_context() {
        let parent = |header: &str| trace(header).map(|trace| trace.traceparent);
        let sampled = Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01".to_owned());
        let unsampled = Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00".to_owned());
        for (header, expected) in [
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", &sampled),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0", &unsampled),
            // As Lambda sends it, and as a load balancer does.
            (
                "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0",
                &sampled,
            ),
            ("Self=1-67891234-12;Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", &sampled),
            (" Sampled=1; Parent=53995c3f42cd8ad8 ;Root=1-5759e988-bd862e3fe1be46a994272793", &sampled),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Sampled=0", &sampled),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?", &None),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", &None),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", &None),
            ("Root=1-5759e988-bd862e3fe1be46a994272793", &None),
            ("Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", &None),
            ("Root=1-5759e988b-d862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", &None),
            ("Root=1-5759E988-BD862E3FE1BE46A994272793;Parent=53995c3f42cd8ad8;Sampled=1", &None),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad;Sampled=1", &None),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000000;Sampled=1", &None),
            ("Root=1-00000000-000000000000000000000000;Parent=53995c3f42cd8ad8;Sampled=1", &None),
            ("Root=1-5759é98-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", &None),
            ("53995c3f42cd8ad8", &None),
            ("", &None),
        ] {
            assert_eq!(&parent(header), expected, "{header}");
        }
        let long = format!(
            "{};Parent=53995c3f42cd8ad8;Sampled=1;x={}",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "x".repeat(1024)
        );
        assert_eq!(trace(&long), None);
    }
}
