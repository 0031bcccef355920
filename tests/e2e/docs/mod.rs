//! The manual is true: every command of `README.md` and `docs/*.md` is run as it stands, every example is read
//! by the binary, every link leads somewhere. How a page says what to expect: `CONTRIBUTING.md`, "The manual".

mod blocks;
mod demo;
mod elsewhere;
mod examples;
mod links;
mod pages;
mod session;
