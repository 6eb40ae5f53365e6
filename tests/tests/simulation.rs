//! The simulated world under `cargo test`: a hundred bad days, and tests of the simulator itself.
#![allow(missing_docs)]

use palabre_tests::{
    campaign::Campaign,
    choices::Choices,
    network::Way,
    oracle::{Invariant, Violation},
    plan::Fault,
    report::Verdict,
    run::{run, run_seed},
    world::{Options, World},
};

fn campaign(first: u64, seeds: u64, options: Options) -> Campaign {
    Campaign { first, seeds: Some(seeds), jobs: 2, keep_going: false, options }
}

#[test]
fn a_hundred_bad_days_break_no_invariant() {
    let options = Options { events_max: 2_000, ..Options::default() };
    let tally = campaign(1, 100, options.clone()).run(|| false, |_| {});
    if let Some((seed, failure)) = tally.failures.first() {
        panic!("{}", failure.report(*seed, &options));
    }
    assert_eq!(tally.seeds, 100);
}

#[test]
fn a_seed_runs_twice_in_the_same_way() {
    let options = Options { events_max: 1_000, ..Options::default() };
    for seed in 1..=20 {
        assert_eq!(run_seed(seed, &options).hash, run_seed(seed, &options).hash, "seed {seed}");
    }
}

#[test]
fn a_recorded_run_replays_from_its_bytes() {
    let options = Options { events_max: 500, ..Options::default() };
    for seed in 1..=10 {
        let mut world = World::new(Choices::seeded(seed).recorded(), options.clone());
        let result = world.run();
        let recording = world.recording().expect("it records").to_vec();
        let replayed = run(Choices::from_bytes(recording), &options);
        assert_eq!(result.is_ok(), replayed.failure.is_none(), "seed {seed}");
        assert_eq!(replayed.events, world.events(), "seed {seed}");
    }
}

/// The negative control: the tests can see a storage that lies about what is durable.
#[test]
fn a_storage_that_answers_before_it_has_synced_is_found_out() {
    let without = Fault::ALL.iter().copied().filter(|fault| *fault != Fault::PowerCut).collect();
    let options = Options { lying_store: true, without, ..Options::default() };
    let tally = campaign(1, 200, options).run(|| false, |_| {});
    let (_, failure) = tally.failures.first().expect("a lying storage loses something in 200 seeds");
    let Verdict::NotSafe(violation) = &failure.verdict else { panic!("{}", failure.text()) };
    // Private: an id that was lost is given to somebody else.
    let lost =
        [Invariant::Kept, Invariant::Durable, Invariant::Ordered, Invariant::GuestKept, Invariant::Private];
    assert!(lost.contains(&violation.invariant), "{}", failure.text());
}

#[test]
fn a_quiet_world_needs_no_faults_to_work() {
    let mut world = World::quiet().expect("two clients enter and join");
    for number in 0..10 {
        world.say(number % 2, "hello").expect("they talk");
    }
    world.wait("everybody has read everything").expect("and hear each other");
    world.conclude().expect("and leave");
}

/// Two people talk, with a break in between, and leave.
fn conversation(prepare: impl FnOnce(&mut World)) -> Result<World, Violation> {
    let mut world = World::quiet_but(prepare)?;
    for number in 0..4 {
        world.say(number % 2, "hello")?;
    }
    world.steps(10)?;
    world.break_all();
    world.say(0, "after the break")?;
    world.wait("everybody has read everything")?;
    world.conclude()?;
    Ok(world)
}

#[test]
fn whichever_storage_operation_fails_nothing_is_lost_and_everything_gets_done() {
    for number in 1.. {
        let world = conversation(|world| world.fail_storage_call(number));
        let world = world.unwrap_or_else(|violation| panic!("operation {number} failed: {violation}"));
        if number > world.storage_calls() {
            assert!(number > 20, "there were only {number} operations to fail");
            return;
        }
    }
}

#[test]
fn after_whichever_output_the_server_dies_nothing_is_lost_and_everything_gets_done() {
    for outputs in 1.. {
        let world = conversation(|world| world.crash_after_outputs(outputs));
        let world = world.unwrap_or_else(|violation| panic!("killed after output {outputs}: {violation}"));
        if world.crash_is_to_come() {
            assert!(outputs > 50, "there were only {outputs} outputs to die after");
            return;
        }
    }
}

#[test]
fn links_break_where_a_script_says() {
    let mut world = World::quiet().expect("two clients enter and join");
    world.cut_links([(Way::Up, 0), (Way::Down, 1), (Way::Down, 60)]);
    world.break_all();
    world.say(0, "while broken").expect("it is held back");
    world.wait("it has arrived").expect("it arrives");
    world.conclude().expect("and all is well");
}
