//! The template file.

use crate::support::template;
use lamplighter_infra::{Freshness, check_against};

#[test]
fn stale_and_missing_files_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("template.yaml");
    let template = template();
    assert_eq!(check_against(&template, &path).unwrap(), Freshness::Missing);
    std::fs::write(&path, template.to_yaml()).unwrap();
    assert_eq!(check_against(&template, &path).unwrap(), Freshness::Fresh);
    std::fs::write(&path, template.to_yaml().replace('\n', "\r\n")).unwrap();
    assert_eq!(check_against(&template, &path).unwrap(), Freshness::Fresh, "a checkout with other line ends");
    let text = template.to_yaml();
    let line = text.lines().position(|line| line.contains("VisibilityTimeout: 1120")).unwrap() + 1;
    std::fs::write(&path, text.replace("VisibilityTimeout: 1120", "VisibilityTimeout: 30")).unwrap();
    assert_eq!(check_against(&template, &path).unwrap(), Freshness::Stale { line });
    std::fs::write(&path, format!("{text}more")).unwrap();
    assert_eq!(check_against(&template, &path).unwrap(), Freshness::Stale { line: text.lines().count() + 1 });
    assert!(check_against(&template, folder.path()).unwrap_err().to_string().contains("cannot read"));
}
