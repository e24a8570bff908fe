//! An event trigger of a stranger: no command of a split runs its function, on either side.

use super::{Move, run, texts};

#[tokio::test]
async fn every_command_refuses_a_strangers_event_trigger_on_either_side_before_its_first_ddl() {
    let service = Move::new().await;
    let refused = async |arguments: &[&str]| {
        for url in [&service.source, &service.target] {
            let stranger = format!("{}_stranger", service.name);
            run(
                url,
                &format!(
                    "create role {stranger}; create schema {stranger}; create table {stranger}.ran (who text);
                     create function {stranger}.spy() returns event_trigger language plpgsql as
                       $$ begin insert into {stranger}.ran values (current_user); end $$;
                     create event trigger {stranger} on ddl_command_start execute function {stranger}.spy();
                     alter function {stranger}.spy() owner to {stranger}"
                ),
            )
            .await;
            let ran = format!("select who from {stranger}.ran");
            run(url, &format!("truncate {stranger}.ran")).await;
            let answer = service.run(arguments).await.exits(5);
            assert!(answer.stderr.contains("foreign-event-trigger"), "{arguments:?}: {}", answer.stderr);
            assert_eq!(texts(url, &ran).await, Vec::<String>::new(), "{arguments:?}");
            run(url, &format!("drop event trigger {stranger}; drop schema {stranger} cascade; drop role {stranger}"))
                .await;
        }
    };
    refused(&["start"]).await;
    service.run(&["start"]).await.exits(0);
    refused(&["start"]).await;
    refused(&["cutover"]).await;
    refused(&["abort"]).await;
    service.run(&["cutover"]).await.exits(0);
    refused(&["rollback"]).await;
    refused(&["finish", "--bridge", "none"]).await;
    service.run(&["finish", "--bridge", "none"]).await.exits(0);
}
