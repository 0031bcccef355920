//! A WebSocket that proves itself in its first message.
//!
//! The gateway answers the handshake itself and reads until the first message is whole; the application is not
//! contacted before the gate has made a permit of it. Then it sees an ordinary upgrade with the identity in its
//! head. What the client says meanwhile waits, at most one buffer of it: nothing is read that could not be held.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use portcullis_core::Denial;
use portcullis_gate::authn::Presented;
use portcullis_gate::trail::Ending;
use portcullis_gate::validate::websocket::{CloseFrame, FirstMessage, Found, OwnFrame, Violation};
use portcullis_gate::{RequestContext, Unproven};
use portcullis_wire::Handshake;

use super::answer;
use super::connection::{Connection, Then};
use super::decide::{self, Answered, Asked, Facts, Forward};
use crate::buffers::SMALL;
use crate::core::Local;
use crate::sockets::{Opened, Share};

/// The largest login, in bytes: room for a token with a certificate chain in it, and within one buffer.
const MOST: u64 = 8 * 1024;
/// What a client is told that has logged in.
const AUTHENTICATED: &[u8] = br#"{"type":"authenticated"}"#;
/// The client went, or all was said (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// A handshake that met everything but the login.
#[derive(Debug)]
pub struct Login {
    pub ctx: RequestContext,
    pub unproven: Unproven,
    pub handshake: Handshake,
    /// The bytes of the head.
    pub head: Box<[u8]>,
    pub facts: Facts,
    pub upstream: usize,
    /// As in [`Forward`].
    pub path: Box<str>,
}

/// A client that has logged in over a WebSocket that the gateway opened.
#[derive(Debug)]
pub struct Entered {
    /// What it was promised.
    pub handshake: Handshake,
    /// Its first message, where the application wants to read it too.
    message: Option<Box<str>>,
    /// What it counts under while it is open.
    _opened: [Opened; 2],
}

/// How the wait for the first message ended.
enum Heard {
    Message(String),
    Denied(Denial),
    /// The client said goodbye.
    Goodbye,
    Gone,
}

impl Connection {
    /// Answers the handshake and lets the client log in: to be sent on, or the end.
    pub(super) async fn login(&mut self, local: &Rc<Local>, login: Box<Login>) -> Result<Box<Forward>, Then> {
        let route = login.unproven.route(&local.policy);
        let since = login.facts.since;
        let shares = Share::at_handshake(route, &login.ctx.client);
        let Some(opened) = self.core.shared.open_socket(shares) else {
            let Login { ctx, facts, .. } = *login;
            let denial = Denial::TooManyConnections;
            let reply = local.policy.reply(&denial, &ctx);
            let facts = Facts { head_len: 0, ..facts };
            let answered = Answered { reply, ctx, denial: Some(denial), facts, preflight: false };
            return Err(self.answer(local, Box::new(answered)).await);
        };
        self.reply.clear();
        answer::write_accepted(&mut self.reply, &login.handshake, &local.policy, &login.ctx);
        self.deadline.set(local.settings.caps.write_timeout);
        let heard = if poll_fn(|cx| self.poll_reply(cx)).await {
            self.deadline.set(Duration::from_millis(route.websocket.auth_timeout_ms));
            let most = if route.websocket.max_message == 0 { MOST } else { route.websocket.max_message };
            let mut first = FirstMessage::new(most.min(MOST));
            poll_fn(|cx| self.poll_heard(cx, &mut first)).await
        } else {
            Heard::Gone
        };
        Err(match heard {
            Heard::Message(message) => match self.enter(local, login, &message, opened) {
                Ok(forward) => return Ok(forward),
                Err(refused) => self.part(local, &refused.0, since, Some(refused.1)).await,
            },
            Heard::Denied(denial) => self.part(local, &login.ctx, since, Some(denial)).await,
            Heard::Goodbye => self.part(local, &login.ctx, since, None).await,
            Heard::Gone => {
                self.record_login(local, &login.ctx, since, None, true);
                Then::Close
            }
        })
    }

    /// Reads frames until the first message is whole. The deadline is that of the login: nothing moves it.
    fn poll_heard(&mut self, cx: &mut Context<'_>, first: &mut FirstMessage) -> Poll<Heard> {
        loop {
            // Asked before every look, not only when there is nothing to read: a client that never stops pinging
            // would never be told that its time is over.
            if self.deadline.poll(cx).is_ready() {
                return Poll::Ready(Heard::Denied(Denial::LoginTimeout));
            }
            if !self.inbox.is_empty() {
                let read = first.read(self.inbox.filled());
                self.inbox.consume(read.bytes);
                match read.found {
                    Found::Nothing if read.bytes > 0 => continue,
                    Found::Nothing => {}
                    Found::Ping(pong) => {
                        self.reply.extend_from_slice(&pong.into_bytes());
                        continue;
                    }
                    Found::Text(text) => return Poll::Ready(Heard::Message(text)),
                    Found::Other => return Poll::Ready(Heard::Denied(Denial::LoginMalformed)),
                    Found::Close => return Poll::Ready(Heard::Goodbye),
                    Found::Violation(Violation::TooBig) => {
                        return Poll::Ready(Heard::Denied(Denial::BodyTooLarge));
                    }
                    Found::Violation(_) => {
                        return Poll::Ready(Heard::Denied(Denial::Malformed("websocket-framing")));
                    }
                }
            }
            if self.core.shared.is_draining() {
                return Poll::Ready(Heard::Denied(Denial::Draining));
            }
            if !self.reply.is_empty() {
                match self.poll_reply(cx) {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => return Poll::Ready(Heard::Gone),
                    Poll::Pending => return Poll::Pending,
                }
            }
            self.core.buffers.attach(&mut self.inbox, SMALL);
            match self.stream.poll_fill(cx, &mut self.inbox) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => return Poll::Ready(Heard::Gone),
                Poll::Pending => {
                    self.core.buffers.detach(&mut self.inbox);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Asks the gate about the first message, and writes the head for the application.
    fn enter(
        &mut self,
        local: &Rc<Local>,
        login: Box<Login>,
        message: &str,
        opened: Opened,
    ) -> Result<Box<Forward>, Box<(RequestContext, Denial)>> {
        let Login { mut ctx, unproven, handshake, head, facts, upstream, path } = *login;
        ctx.now = self.core.now();
        let core = Rc::clone(&self.core);
        let out = &mut self.out;
        let read = decide::view(&head, &local.settings.caps, self.caller, |head, request| {
            let presented = Presented::read(message)?;
            let permit = core.shared.gate.login(&local.policy, unproven, head, &presented, &mut ctx)?;
            let route = permit.route(&local.policy);
            let shares = Share::after_login(route, permit.identity(), &path);
            let counted = core.shared.open_socket(shares).ok_or(Denial::TooManyConnections)?;
            let asked = Asked { head, request, upstream, handshake: Some(&handshake) };
            decide::write_toward(&core, local, &asked, &permit, &ctx, out);
            Ok((permit, counted))
        });
        let (permit, counted) = match read {
            Ok(Some(Ok(entered))) => entered,
            Ok(Some(Err(denial))) => return Err(Box::new((ctx, denial))),
            // It was read before, by the same rules.
            Ok(None) | Err(_) => return Err(Box::new((ctx, Denial::Internal))),
        };
        let passes = permit.route(&local.policy).pass_credentials;
        let entered =
            Entered { handshake, message: passes.then(|| message.into()), _opened: [opened, counted] };
        Ok(Box::new(Forward { ctx, permit, upstream, facts, path, entered: Some(entered) }))
    }

    /// Tells the client that it is in, once the application has taken it in too; nothing where the client is gone.
    /// An application that wants to read the login itself says so itself: then this is what it gets.
    pub(super) async fn welcome(&mut self, local: &Local, entered: &Entered) -> Option<Vec<u8>> {
        if let Some(message) = &entered.message {
            let key = (self.core.random() as u32).to_ne_bytes();
            return Some(OwnFrame::text_to_application(message.as_bytes(), key).into_bytes());
        }
        self.reply.clear();
        self.reply.extend_from_slice(&OwnFrame::text(AUTHENTICATED).into_bytes());
        self.deadline.set(local.settings.caps.write_timeout);
        poll_fn(|cx| self.poll_reply(cx)).await.then(Vec::new)
    }

    /// Ends a WebSocket before its application saw it: with a refusal, or as the client wished.
    pub(super) async fn part(
        &mut self,
        local: &Local,
        ctx: &RequestContext,
        since: Instant,
        denial: Option<Denial>,
    ) -> Then {
        self.reply.clear();
        match &denial {
            None => self.reply.extend_from_slice(CloseFrame::to_client(NORMAL, "").as_bytes()),
            Some(denial) => {
                let recorder = &mut **self.core.recorder.borrow_mut();
                self.trail.events(&local.policy, ctx, Some(denial), denial.status(), recorder);
                let farewell = local.policy.farewell(denial, ctx);
                if let Some(message) = &farewell.message {
                    self.reply.extend_from_slice(&OwnFrame::text(message).into_bytes());
                }
                let close = CloseFrame::to_client(farewell.code, &farewell.reason);
                self.reply.extend_from_slice(close.as_bytes());
            }
        }
        self.deadline.set(local.settings.caps.write_timeout);
        let written = poll_fn(|cx| self.poll_reply(cx)).await;
        self.record_login(local, ctx, since, denial, !written);
        if written { Then::Linger } else { Then::Close }
    }

    /// Records a WebSocket that no application saw.
    fn record_login(
        &self,
        local: &Local,
        ctx: &RequestContext,
        since: Instant,
        denial: Option<Denial>,
        aborted: bool,
    ) {
        self.trail.access(
            &local.policy,
            ctx,
            &Ending {
                status: 101,
                denial: denial.map(|denial| denial.code()),
                duration_us: since.elapsed().as_micros() as u64,
                aborted,
                ..Ending::default()
            },
            &mut **self.core.recorder.borrow_mut(),
        );
    }
}
