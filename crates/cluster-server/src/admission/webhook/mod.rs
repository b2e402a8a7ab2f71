//! Admission webhooks: who is asked, how, and what their answers mean.
use super::{Chain, Request};
use crate::error::ApiError;
#[derive(Default)]
pub(super) struct Client;
#[derive(Clone, Copy)]
pub(super) enum Round { First, Again }
pub(super) async fn mutate(_c: &Chain, _r: &mut Request, _round: Round) -> Result<bool, ApiError> { Ok(false) }
pub(super) async fn validate(_c: &Chain, _r: &mut Request) -> Result<(), ApiError> { Ok(()) }
