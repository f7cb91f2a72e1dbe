//! The end of a program that cannot do its work.

use foresail_crds::RoleError;

/// Ends a program: the error as one JSON line on standard error, where the kubelet picks it up as the
/// termination message, and the exit code the Job's failure policy reads.
pub fn exit_code_for(error: &RoleError) -> std::process::ExitCode {
    let line =
        serde_json::to_string(&error.to_worker_error()).unwrap_or_else(|_| error.to_string());
    eprintln!("{line}");
    // Outside a pod there is no such file, and nobody to read it.
    std::fs::write("/dev/termination-log", &line).ok();
    std::process::ExitCode::from(error.exit_code())
}
