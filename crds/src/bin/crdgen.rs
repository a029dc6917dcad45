//! Writes the CRDs beside the crate and as templates of the chart `moat-crds`, or with `--check` fails when the files
//! there are not what would be written.

use std::path::Path;
use std::process::ExitCode;

use moat_crds::definition::definitions;

fn main() -> ExitCode {
    let check = std::env::args().skip(1).any(|argument| argument == "--check");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chart = folder.join("../charts/moat-crds/templates");
    let mut stale = false;
    for definition in definitions() {
        let beside = (folder.join(definition.file), definition.yaml());
        for (path, wanted) in [beside, (chart.join(definition.file), definition.chart_template())] {
            if std::fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
                continue;
            }
            if check {
                eprintln!("{} is stale: run `cargo run -p moat-crds --bin crdgen`", path.display());
                stale = true;
            } else if let Err(error) = std::fs::write(&path, wanted) {
                eprintln!("cannot write {}: {error}", path.display());
                return ExitCode::FAILURE;
            } else {
                println!("wrote {}", path.display());
            }
        }
    }
    if stale { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
