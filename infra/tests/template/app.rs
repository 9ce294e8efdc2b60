//! From an app to its deployment: what the library adds by itself.

use lamplighter::{App, Definition};
use lamplighter_infra::{deployment, functions, template};

use crate::support::{FileLetter, SendMail, clerk, keeper, mail, minutely, schedules};

fn names(app: &App) -> Vec<String> {
    deployment(app).unwrap().functions.into_iter().map(|function| function.name).collect()
}

#[test]
fn an_app_with_records_gets_the_maintenance_function_and_its_rule() {
    let app = App::new("shop").function(mail).function(clerk);
    assert_eq!(names(&app), ["clerk", "mail", "maintenance"]);
    let resources = &template(&app).unwrap().to_json()["Resources"];
    assert_eq!(resources["MaintenanceRule"]["Properties"]["ScheduleExpression"], "rate(1 minute)");
    assert_eq!(functions(&app).iter().filter(|function| function.spec().maintenance).count(), 1);
}

#[test]
fn an_app_without_records_has_nothing_to_look_after() {
    let app = App::new("post").function(clerk).definitions([Definition::of::<FileLetter>()]);
    assert_eq!(names(&app), ["clerk"]);
    assert!(deployment(&app).unwrap().schedules.is_empty());
}

#[test]
fn an_app_with_a_maintenance_function_of_its_own_gets_no_second_one() {
    let app = App::new("shop").function(mail).function(keeper).schedules([minutely()]);
    assert_eq!(names(&app), ["keeper", "mail"]);
}

#[test]
fn definitions_and_schedules_of_an_app_are_deployed() {
    let app = App::new("shop").function(mail).schedules(schedules().into_iter().take(1));
    assert!(deployment(&app).unwrap().schedules.iter().any(|schedule| schedule.name == "digest"));
    let problems = deployment(&App::new("shop").definitions([Definition::of::<SendMail>()])).unwrap_err();
    assert!(problems.sentences()[0].contains("mail.send is defined, but no function performs it"), "{problems}");
}
