//! Where buckets are and where requests go, for front ends.

use std::time::Instant;

use app::App;
use protocol::near::{NearAsk, NearBucket, NearRefusal, NearSettings, NearTable, PlaceBounds};
use protocol::{RequestData, instance_name};
use session_api::command::Answer;
use session_api::places::{BucketPlaces, CopyPlace, DataPlaces, InstancePlace, ServicePlaces};

use super::feed::NearNews;
use crate::environment::NearPlan;

/// Answers where a request goes that works on `data`, which is what its header says. None: on what services work on.
pub(crate) fn answer(plan: Option<&NearPlan>, news: &NearNews, app: Option<&App>, data: Option<&str>) -> Answer {
    let refused = |message: String, hint: &str| Answer::Refused { message, hint: Some(hint.to_owned()) };
    let Some(plan) = plan else {
        let hint = "places = [\"hpc\", \"cc1\"] below [services.NAME] in dyn.toml gives a service an instance in each";
        return refused("no instance of a service has a place".to_owned(), hint);
    };
    let data = match RequestData::read(data, None) {
        Ok(data) => data,
        Err(error) => return refused(error.to_string(), "write BUCKET or BUCKET/KEY"),
    };
    let settings = &*plan.settings;
    let table = news.table.as_deref().cloned().unwrap_or_default().or(&settings.table);
    let named = data.needs(None);
    if let Some(bucket) = table.unknown(&named) {
        let help = app::suggest(bucket, table.buckets.keys().map(String::as_str), "buckets");
        return refused(format!("there is no bucket {bucket}"), &help);
    }
    let is_asked = |name: &str| named.is_empty() || named.iter().any(|need| need.bucket == name);
    let buckets = table.buckets.iter().filter(|(name, _)| is_asked(name)).map(|(name, of)| bucket(name, of)).collect();
    let age_ms =
        news.at.map_or(0, |at| u64::try_from(Instant::now().duration_since(at).as_millis()).unwrap_or(u64::MAX));
    let services = app.into_iter().flat_map(|app| &app.services);
    let services = services.filter_map(|of| service(&of.name, plan, settings, &table, &data, age_ms)).collect();
    let source = match (&news.table, news.source.as_str()) {
        (Some(_), source) => source.to_owned(),
        (None, "") => "settings".to_owned(),
        (None, why) => format!("settings: {why}"),
    };
    Answer::Where(DataPlaces { source, buckets, services })
}

fn bucket(name: &str, of: &NearBucket) -> BucketPlaces {
    let mut copies: Vec<CopyPlace> = of
        .at
        .iter()
        .map(|(place, copy)| CopyPlace {
            place: place.clone(),
            store: copy.store.clone(),
            is_master: *place == of.master,
            through: copy.through,
            is_away: copy.is_away,
        })
        .collect();
    copies.sort_by_key(|copy| !copy.is_master);
    BucketPlaces { name: name.to_owned(), copies }
}

fn service(
    name: &str,
    plan: &NearPlan,
    settings: &NearSettings,
    table: &NearTable,
    data: &RequestData,
    age_ms: u64,
) -> Option<ServicePlaces> {
    let of = settings.services.get(name)?;
    let needs = data.needs(of.bucket.as_deref());
    let bounds = PlaceBounds::default();
    let ask = NearAsk { name, service: of, data, bounds: &bounds, age_ms };
    let (lacks, policy) = match settings.select(table, &ask) {
        Ok(found) => (found.lacks, found.policy),
        Err(NearRefusal::NoPlace(lacks)) => (lacks, settings.policy),
        // What a service works on may be known to nobody.
        Err(NearRefusal::NoBucket(bucket)) => {
            let why = format!("knows no bucket {bucket}");
            (of.places.iter().map(|place| (place.clone(), why.clone())).collect(), settings.policy)
        }
    };
    let instance = |(number, place): (u32, &String)| InstancePlace {
        name: instance_name(name, number),
        place: place.clone(),
        lacks: lacks.get(place).cloned(),
    };
    Some(ServicePlaces {
        service: name.to_owned(),
        needs: needs.iter().map(|need| need.bucket.to_owned()).collect(),
        policy: policy.name().to_owned(),
        from: plan.place.clone(),
        instances: (1..).zip(&of.places).map(instance).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use protocol::near::{NearCopy, NearService};

    use super::*;
    use crate::state::tests::read;

    fn table(images: &[(&str, u64)]) -> NearTable {
        let copy = |(place, through): &(&str, u64)| {
            ((*place).to_owned(), NearCopy { store: (*place).to_owned(), through: *through, is_away: false })
        };
        let images = NearBucket { master: images[0].0.to_owned(), at: images.iter().map(copy).collect() };
        let buckets = BTreeMap::from([("images".to_owned(), images)]);
        NearTable { epoch: "e".to_owned(), number: 1, buckets, ..NearTable::default() }
    }

    fn words(answer: Answer) -> String {
        match answer {
            Answer::Where(places) => places.to_string(),
            Answer::Refused { message, hint } => format!("{message} ({})", hint.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_told_its_instances_and_why_others_are_not_asked() {
        let app = read(crate::state::tests::CHAIN);
        let places = ["hpc", "cc1"].map(str::to_owned).to_vec();
        let get = NearService { places, bucket: Some("images".to_owned()) };
        let settings = NearSettings {
            services: BTreeMap::from([("get".to_owned(), get)]),
            table: table(&[("hpc", 0)]),
            ..NearSettings::default()
        };
        let plan = NearPlan { place: None, settings: Arc::new(settings) };
        let told = |news: &NearNews, data| words(answer(Some(&plan), news, Some(&app), data));
        let source = "no data server runs here".to_owned();
        assert_eq!(
            told(&NearNews { source, ..NearNews::default() }, None),
            "by settings: no data server runs here\nimages: hpc (master)\n\
             get near images: get in hpc; not get.2: cc1 has no copy of images"
        );
        let news = NearNews {
            table: Some(Arc::new(table(&[("cc1", 4)]))),
            at: Some(Instant::now()),
            source: "the data server at 127.0.0.1:7070".to_owned(),
        };
        assert_eq!(
            told(&news, Some("images/cats/1")),
            "by the data server at 127.0.0.1:7070\nimages: cc1 (master, through 4)\n\
             get near images: get.2 in cc1; not get: hpc has no copy of images"
        );
        assert_eq!(told(&news, Some("imagse")), "there is no bucket imagse (did you mean images?)");
        assert!(told(&news, Some("Images")).starts_with("Dyninka-Data does not read at character 1"));
        assert!(words(answer(None, &news, Some(&app), None)).starts_with("no instance of a service has a place"));
    }
}
