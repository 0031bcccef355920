//! What the endpoints take and give: each body once as a shape, for the judge and the document, and once as a
//! type, for the code.

pub mod asked;
pub mod forms;
pub mod recorded;
pub mod told;
