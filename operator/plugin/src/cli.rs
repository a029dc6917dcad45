//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Checks Moat's resources, asks who may do what, hashes passwords, and tells how a cluster is.
#[derive(Debug, Parser)]
#[command(name = "kubectl moat", bin_name = "kubectl moat", arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Validate(Validate),
    CanI(CanI),
    HashPassword(HashPassword),
    Status(Status),
    Bundle(Bundle),
}

const VALIDATE_EXAMPLES: &str = "\
Prints one line per finding: file:line:column: Kind/name: field: Reason: message
Exit code: 0 everything is right (warnings are allowed), 1 something is not, 2 a file cannot be read.

Examples:
  kubectl moat validate config/samples/
  kubectl moat validate cluster.yaml users.yaml";

/// Check files as the API server and the broker would.
#[derive(Debug, Args)]
#[command(after_help = VALIDATE_EXAMPLES)]
pub(crate) struct Validate {
    /// YAML files, or folders with .yaml and .yml files; all of them together are one input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

const CAN_I_EXAMPLES: &str = "\
Prints yes, no or undecidable, and the permission that decides or comes nearest.
Exit code: 0 yes, 1 no, 3 undecidable, 2 the question cannot be asked.

Examples:
  kubectl moat can-i -f config/samples/quickstart frontendclient publish topic/x/status --client-id x
  kubectl moat can-i -f policy/ backendservice subscribe 'topic/+/status' --qos 1
  kubectl moat can-i -f policy/ backendservice subscribe '$share/workers/topic/+/status'
  kubectl moat can-i -f policy/ somebody publish news/today --role editors --var string-site=berlin";

/// Ask whether a user may publish or subscribe, and why.
#[derive(Debug, Args)]
#[command(after_help = CAN_I_EXAMPLES)]
pub(crate) struct CanI {
    /// YAML file, or folder with .yaml and .yml files; may be given several times
    #[arg(short = 'f', long = "filename", required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Username; for a client with a certificate the username of its Credential, or its name if it has none
    #[arg(value_name = "USER")]
    pub(crate) user: String,

    /// What the client would do
    #[arg(value_enum)]
    pub(crate) action: Action,

    /// Topic name to publish to, or topic filter to subscribe to (`$share/GROUP/FILTER` for a shared subscription)
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: String,

    /// Quality of service
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,

    /// Publish with the retain flag
    #[arg(long)]
    pub(crate) retain: bool,

    /// Client identifier; without it, what depends on `${mqtt-clientid}` is undecidable
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    /// Listener that the client comes through; needed only if the answer differs between listeners
    #[arg(long, value_name = "NAME")]
    pub(crate) listener: Option<String>,

    /// Value of a string variable, as `string-site=berlin`; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) variables: Vec<(String, String)>,

    /// Ask what these roles (by name or role key) alone allow, whoever USER is; may be given several times
    #[arg(long = "role", value_name = "KEY")]
    pub(crate) roles: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Action {
    Publish,
    Subscribe,
}

const HASH_EXAMPLES: &str = "\
The password is asked for without echo, or read from standard input with --stdin (one final line break is dropped).
Put the printed line under the key `hash` of a Secret with the label moat.dev/use: credential, or let --secret do that.

Algorithms: argon2id (default, recommended), and ESE's for old data: PKCS5S2, BCRYPT, ARGON2ID_<KiB>KB, SHA512, MD5,
PLAIN.

Examples:
  kubectl moat hash-password
  printf %s \"$PASSWORD\" | kubectl moat hash-password --stdin --secret car-17 | kubectl apply -f -
  kubectl moat hash-password --memory 65536 --iterations 3
  kubectl moat hash-password --algorithm PKCS5S2 --iterations 220000";

/// Hash a password for a Credential's Secret.
#[derive(Debug, Args)]
#[command(after_help = HASH_EXAMPLES)]
pub(crate) struct HashPassword {
    /// Algorithm
    #[arg(long, default_value = "argon2id", value_name = "NAME")]
    pub(crate) algorithm: String,

    /// Iterations; passes of Argon2id, cost of BCRYPT [default: argon2id 2, PKCS5S2 220000, BCRYPT 12]
    #[arg(long, value_name = "N")]
    pub(crate) iterations: Option<u32>,

    /// Memory of argon2id in KiB [default: 19456]
    #[arg(long, value_name = "KIB")]
    pub(crate) memory: Option<u32>,

    /// Salt in Base64, to repeat a known hash [default: 16 random bytes]
    #[arg(long, value_name = "BASE64")]
    pub(crate) salt: Option<String>,

    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    pub(crate) stdin: bool,

    /// Print a whole Secret with this name instead of the hash alone
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Option<String>,

    /// Namespace of the Secret
    #[arg(short = 'n', long, value_name = "NAMESPACE", requires = "secret")]
    pub(crate) namespace: Option<String>,
}

/// How to reach a cluster, with kubectl's own options.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Access {
    /// The kubeconfig to use [default: what KUBECONFIG names, or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig to use [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,

    /// The namespace to look into [default: the context's]
    #[arg(short = 'n', long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Ask as this user, with his rights
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Ask as a member of this group; may be given several times
    #[arg(long = "as-group", value_name = "GROUP", requires = "user")]
    pub(crate) groups: Vec<String>,
}

/// How an answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

const STATUS_EXAMPLES: &str = "\
Prints each MqttCluster with its pods, listeners and the policy that its pods enforce, and then every resource of
Moat's kinds that is not accepted or not ready, with the reason and the way out. Reads only, with your rights.
Exit code: 0 everything is ready, 1 something is not or nothing is there, 2 the cluster cannot be asked.

Examples:
  kubectl moat status
  kubectl moat status fleet -n iot
  kubectl moat status -A -o json
  until kubectl moat status -n iot >/dev/null; do sleep 1; done";

/// Tell how the clusters of a namespace are, and what is not in force and why.
#[derive(Debug, Args)]
#[command(after_help = STATUS_EXAMPLES)]
pub(crate) struct Status {
    /// The MqttCluster to tell of, and what belongs to it [default: all of the namespace]
    #[arg(value_name = "CLUSTER", conflicts_with = "all_namespaces")]
    pub(crate) cluster: Option<String>,

    /// Look into all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,

    /// How the answer looks
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) access: Access,
}

/// Look at the policy that the operator has compiled for the pods.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Bundle {
    #[command(subcommand)]
    pub(crate) command: BundleCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    Show(BundleShow),
}

const BUNDLE_EXAMPLES: &str = "\
Reads the manifest and the shards that the pods read, and checks every digest as they do. Verifiers of passwords are
never printed. Shards that you may not read are named and left out.
Exit code: 0 what was read is right, 1 a manifest or shard is missing or altered, 2 the cluster cannot be asked.

Examples:
  kubectl moat bundle show
  kubectl moat bundle show fleet -n iot --entries
  kubectl moat bundle show fleet -n iot --entries -o json";

/// Show the compiled policy: generation, digest, shards and listeners.
#[derive(Debug, Args)]
#[command(after_help = BUNDLE_EXAMPLES)]
pub(crate) struct BundleShow {
    /// The MqttCluster whose policy it is [default: the only one of the namespace]
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: Option<String>,

    /// Show the entries too: settings, realms, pipelines, roles, and credentials without their verifiers
    #[arg(long)]
    pub(crate) entries: bool,

    /// How the answer looks
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) access: Access,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
