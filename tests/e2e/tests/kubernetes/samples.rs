//! Every file under `config/samples`, applied as it is, does what its comment says. All of them share a namespace: their
//! clusters must not disturb each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Result, ensure};
use moat_e2e::clients::{Event, Login, Paho, Version, mosquitto};
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::{programs, until};

use crate::people::{connect, is_let_in, is_login_let_in, may_publish, may_subscribe};

/// The samples that a test here speaks of.
const TOLD: [&str; 8] = [
    "ese-passwords",
    "mtls",
    "own-permissions",
    "quickstart",
    "role-keys",
    "shared-work",
    "smallest",
    "two-listeners",
];

fn folder() -> PathBuf {
    programs::repository().join("config/samples")
}

/// The namespace with all samples in force; none where there is no Kubernetes.
fn samples() -> Result<Option<&'static Namespace<'static>>> {
    static SAMPLES: OnceLock<Result<Namespace<'static>, String>> = OnceLock::new();
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(None) };
    let apply = || -> Result<_> {
        let namespace = kubernetes.namespace("samples")?;
        namespace.kubectl(&["apply", "--recursive", "-f", &folder().to_string_lossy()])?;
        namespace.ready()?;
        Ok(namespace)
    };
    let samples = SAMPLES.get_or_init(|| apply().map_err(|error| format!("{error:#}")));
    samples.as_ref().map(Some).map_err(|error| anyhow::Error::msg(error.clone()))
}

#[test]
fn every_sample_is_told_about() -> Result<()> {
    let found: BTreeSet<_> = fs::read_dir(folder())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    let told: BTreeSet<_> = TOLD.map(str::to_owned).into();
    ensure!(found == told, "there are {found:?}, and the tests speak of {told:?}");
    Ok(())
}

#[test]
fn smallest_lets_everyone_do_everything() -> Result<()> {
    let Some(samples) = samples()? else { return Ok(()) };
    let listener = samples.listener("smallest", "mqtt")?;
    for version in [Version::V311, Version::V5] {
        let mut anyone = Paho::connect(&Login::new(version, listener.clone(), "anyone", None))?;
        ensure!(may_subscribe(&mut anyone, "#")? && may_publish(&mut anyone, "any/topic", "hello")?);
        ensure!(anyone.message()?.1 == "hello");
    }
    Ok(())
}

#[test]
fn quickstart_has_three_users_with_three_rights() -> Result<()> {
    let Some(samples) = samples()? else { return Ok(()) };
    let listener = samples.listener("quickstart", "plain")?;
    let mut superuser = connect(&listener, "root", "superuser")?;
    ensure!(may_subscribe(&mut superuser, "#")? && may_publish(&mut superuser, "any/topic", "hello")?);
    ensure!(
        may_subscribe(&mut superuser, "$share/group/any/#")? && !may_subscribe(&mut superuser, "$SYS/#")?
    );
    let mut frontend = connect(&listener, "x", "frontendclient")?;
    ensure!(!may_subscribe(&mut frontend, "topic/x/status")?);
    ensure!(
        may_publish(&mut frontend, "topic/x/status", "")?
            && !may_publish(&mut frontend, "topic/y/status", "")?
    );
    let mut backend = connect(&listener, "backend", "backendservice")?;
    ensure!(may_subscribe(&mut backend, "topic/+/status")? && !may_subscribe(&mut backend, "topic/#")?);
    ensure!(!may_publish(&mut backend, "topic/x/status", "")?);
    Ok(())
}

#[test]
fn two_listeners_have_two_ways_in() -> Result<()> {
    let Some(samples) = samples()? else { return Ok(()) };
    let sensors = samples.listener("two-listeners", "sensors")?;
    ensure!(
        sensors.port == 1883
            && !is_let_in(&sensors, "sensor", "wrong")?
            && !is_let_in(&sensors, "anyone", "")?
    );
    ensure!(!is_login_let_in(&Login::new(Version::V5, sensors.clone(), "nobody", None))?, "nobody gets in");
    let mut sensor = connect(&sensors, "s", "sensor")?;
    ensure!(
        may_publish(&mut sensor, "sensors/sensor/1", "")? && !may_publish(&mut sensor, "sensors/other", "")?
    );

    let lab = samples.listener("two-listeners", "lab")?;
    ensure!(lab.port == 1884);
    let mut first = Login::new(Version::V5, lab.clone(), "bench", Some(("first", "")));
    first.session_expiry = 300;
    let mut someone = Paho::connect(&first)?;
    ensure!(may_publish(&mut someone, "sensors/sensor/1", "")? && may_subscribe(&mut someone, "#")?);
    someone.disconnect()?;
    let mut second = Login { username: Some("second".to_owned()), ..first };
    second.clean_start = false;
    let answer = Paho::start(&second)?.connack()?;
    let taken_over = matches!(answer, Event::Connected { reason: 0, session_present: true, .. });
    ensure!(taken_over, "another one takes the session over: {answer:?}");
    Ok(())
}

#[test]
fn role_keys_are_other_names_of_a_role() -> Result<()> {
    let Some(samples) = samples()? else { return Ok(()) };
    let listener = samples.listener("role-keys", "mqtt")?;
    let mut anna = connect(&listener, "anna", "anna")?;
    ensure!(may_subscribe(&mut anna, "alarms/#")? && may_publish(&mut anna, "commands/stop", "")?);
    let mut otto = connect(&listener, "otto", "otto")?;
    ensure!(!may_subscribe(&mut otto, "alarms/#")? && !may_publish(&mut otto, "commands/stop", "")?);
    Ok(())
}

#[test]
fn own_permissions_stand_beside_those_of_roles() -> Result<()> {
    let Some(samples) = samples()? else { return Ok(()) };
    let listener = samples.listener("own-permissions", "mqtt")?;
    let mut meter = connect(&listener, "m", "meter-1")?;
    ensure!(may_subscribe(&mut meter, "firmware/beta")? && !may_subscribe(&mut meter, "firmware/+")?);
    meter.send("measurements/meter-1", "42", 1, true)?;
    let answer = meter
        .wait_for("an answer", |it| matches!(it, Event::Published { .. } | Event::Disconnected { .. }))?;
    ensure!(
        matches!(answer, Event::Published { reason: ..0x80 }),
        "a retained measurement is taken: {answer:?}"
    );
    ensure!(!may_publish(&mut meter, "measurements/meter-2", "42")?, "the measurements of another");
    // At QoS 0 nothing is answered: who may not is disconnected.
    let mut meter = connect(&listener, "m", "meter-1")?;
    meter.send("measurements/meter-1", "42", 0, false)?;
    meter.ended()?;

    ensure!(!is_let_in(&listener, "meter-2", "meter-2")?, "who is switched off stays out");
    let switch = |on: bool| {
        let patch = format!("{{\"spec\": {{\"enabled\": {on}}}}}");
        samples.kubectl(&["patch", "mcred", "meter-2", "--type=merge", "-p", &patch])?;
        samples.enforced("mcred", "meter-2")
    };
    switch(true)?;
    let mut second = connect(&listener, "m2", "meter-2")?;
    ensure!(!may_subscribe(&mut second, "firmware/beta")?, "what is the other's alone");
    switch(false)?;
    second.ended().map(drop)
}

#[test]
fn shared_work_goes_to_one_of_those_who_subscribe_together() -> Result<()> {
    let Some(samples) = samples()? else { return Ok(()) };
    let listener = samples.listener("shared-work", "mqtt")?;
    let mut workers = [connect(&listener, "w1", "worker")?, connect(&listener, "w2", "worker")?];
    for worker in &mut workers {
        ensure!(may_subscribe(worker, "$share/workers/jobs/#")?);
        ensure!(!may_subscribe(worker, "jobs/#")? && !may_subscribe(worker, "$share/others/jobs/#")?);
    }
    let mut planner = connect(&listener, "p", "planner")?;
    for job in 0..10 {
        ensure!(may_publish(&mut planner, "jobs/paint", &job.to_string())?);
    }
    let mut done = Vec::new();
    until::holds("every job to be taken", || {
        for worker in &mut workers {
            done.extend(worker.try_message()?.map(|(_, job)| job));
        }
        Ok(done.len() >= 10)
    })?;
    done.sort();
    ensure!(
        done == (0..10).map(|job| job.to_string()).collect::<Vec<_>>(),
        "each job is done once: {done:?}"
    );
    ensure!(
        !may_subscribe(&mut planner, "$share/workers/jobs/#")? && !may_publish(&mut planner, "else", "")?
    );

    let nothing = "{\"spec\": {\"permissions\": []}}";
    samples.kubectl(&["patch", "mrole", "workers", "--type=merge", "-p", nothing])?;
    workers.iter_mut().try_for_each(|worker| worker.ended().map(drop))
}

#[test]
fn ese_passwords_are_taken_as_they_are() -> Result<()> {
    let Some(samples) = samples()? else { return Ok(()) };
    let listener = samples.listener("ese-passwords", "mqtt")?;
    let connect = |user: &str, password: &str| {
        Paho::connect(&Login::new(Version::V5, listener.clone(), user, Some((user, password))))
    };
    let mut superuser = connect("superuser", "supersecurepassword")?;
    ensure!(may_subscribe(&mut superuser, "#")? && may_publish(&mut superuser, "any/topic", "")?);
    let mut frontend = connect("frontendclient", "clientpassword")?;
    ensure!(may_publish(&mut frontend, "topic/frontendclient/status", "")?);
    ensure!(!may_publish(&mut frontend, "topic/another/status", "")?);
    let mut backend = connect("backendservice", "backendpassword")?;
    ensure!(may_subscribe(&mut backend, "topic/+/status")? && !may_subscribe(&mut backend, "#")?);
    for user in ["plain", "md5", "pkcs5s2", "bcrypt", "argon2id"] {
        ensure!(!is_let_in(&listener, user, "wrong")?, "{user} has another password");
        let mut client = connect(user, "password")?;
        ensure!(!may_subscribe(&mut client, "topic/+/status")?, "{user} may do nothing");
        ensure!(!may_publish(&mut client, &format!("topic/{user}/status"), "")?, "{user} may do nothing");
    }
    Ok(())
}

#[test]
fn mtls_knows_clients_by_their_certificates() -> Result<()> {
    let Some(samples) = samples()? else { return Ok(()) };
    // The sample's certificate is for localhost.
    let forward = samples.forward("mtls-internet", 8883)?;
    let file = |name: &str| folder().join("mtls").join(name).to_string_lossy().into_owned();
    let run = |car: &str, more: &[&str]| -> Result<Vec<String>> {
        let files = [
            "--cafile",
            &file("ca.crt"),
            "--cert",
            &file(&format!("{car}.crt")),
            "--key",
            &file(&format!("{car}.key")),
        ];
        Ok(files.iter().chain(["-V", "mqttv5"].iter()).chain(more).map(|it| (*it).to_owned()).collect())
    };
    let publish = |car: &str, topic: &str| {
        let arguments = run(car, &["-q", "1", "-t", topic, "-m", "50"])?;
        mosquitto::publish(forward.target.clone(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for car in ["car-17", "car-18"] {
        let topic = format!("car/{car}/speed");
        let arguments = run(car, &["-t", &format!("car/{car}/#")])?;
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let listening = mosquitto::Subscriber::start(forward.target.clone(), &arguments)?;
        ensure!(publish(car, &topic)?.status.success());
        ensure!(listening.message()? == (topic, "50".to_owned()));
    }
    let refused = publish("car-18", "car/car-17/speed")?;
    let words = refused.output.to_lowercase();
    ensure!(words.contains("not authorized") || words.contains("rc:135"), "it is not its own: {refused:?}");
    let none = ["--cafile", &file("ca.crt"), "-t", "car/car-17/speed", "-m", "50"];
    let none = mosquitto::publish(forward.target.clone(), &none)?;
    ensure!(!none.status.success(), "nobody gets in without a certificate: {none:?}");
    Ok(())
}
