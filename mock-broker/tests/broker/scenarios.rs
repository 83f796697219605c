//! The scenario files that come with the program.

use hobnail_mock_broker::Scenario;

#[test]
fn every_scenario_file_is_sound() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario =
            Scenario::from_json(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(
            path.file_stem().unwrap().to_str(),
            Some(scenario.name.as_str())
        );
        assert!(!scenario.about.is_empty(), "{}", path.display());
        assert!(!scenario.expect.is_empty(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}
