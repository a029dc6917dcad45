//! Stories on a real Kubernetes, one module each. Those that disturb nobody share one instance.

mod api_server_away;
mod bad_bundle;
mod bad_resource;
mod breakable;
mod claim_not_bound;
mod definition_deleted;
mod edited_by_hand;
mod fleet;
mod foreign_objects;
mod harness;
mod image_not_pulled;
mod operator;
mod operator_down;
mod operator_rights;
mod order;
mod people;
mod plugin;
mod pod_killed;
mod processes;
mod quickstart;
mod quota;
mod revocation;
mod rules;
mod secrets;
mod settled;
mod two_operators;
