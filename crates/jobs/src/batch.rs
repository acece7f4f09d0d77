//! Many jobs that are asked for at once.

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::request::{JobRequest, RequestMistake};

/// Jobs of one batch.
pub const MOST: usize = 1_000;

/// Jobs that are asked for at once.
#[derive(Deserialize, ToSchema)]
pub struct JobBatch {
    #[schema(value_type = Vec<JobRequest>)]
    jobs: Vec<Box<RawValue>>,
}

/// The texts of the jobs of a batch: of a JSON object, or a line each (NDJSON). What is wrong with one of them is not looked at.
pub fn read(body: &[u8], is_lines: bool) -> Result<Vec<Vec<u8>>, RequestMistake> {
    let wrong = |message: String| RequestMistake { at: "body".to_owned(), message };
    let texts: Vec<Vec<u8>> = match is_lines {
        true => {
            body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).map(<[u8]>::to_vec).collect()
        }
        false => {
            let batch: JobBatch =
                serde_json::from_slice(body).map_err(|error| wrong(format!("it is no batch: {error}")))?;
            batch.jobs.iter().map(|job| job.get().as_bytes().to_vec()).collect()
        }
    };
    if texts.is_empty() || texts.len() > MOST {
        return Err(wrong(format!("a batch has 1 to {MOST} jobs, and this one {}", texts.len())));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_an_object_or_lines_of_1_to_1000_jobs() {
        let texts = |body: &str, is_lines| read(body.as_bytes(), is_lines).map_err(|mistake| mistake.message);
        let both = Ok(vec![b"{}".to_vec(), b"{\"priority\":1}".to_vec()]);
        assert_eq!(texts("{\"jobs\":[{}, {\"priority\":1}]}", false), both);
        assert_eq!(texts("{}\n\n  \n{\"priority\":1}\n", true), both);
        for (body, is_lines) in [("{\"jobs\":[]}", false), ("\n", true), (&*"{}\n".repeat(MOST + 1), true)] {
            assert!(texts(body, is_lines).is_err_and(|said| said.contains("1 to 1000 jobs")));
        }
        assert!(texts("[{}]", false).is_err_and(|said| said.starts_with("it is no batch")));
    }
}
