//! Spans to figures: what each service did in the last seconds, and requests as waterfalls.
