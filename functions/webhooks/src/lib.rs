//! Delivers webhooks: signed HTTP POSTs by the Standard Webhooks convention.
