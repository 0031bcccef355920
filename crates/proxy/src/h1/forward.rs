//! A request that was admitted, on its way to the application, and the answer on its way back.

use std::future::poll_fn;
use std::rc::Rc;

use portcullis_core::{Denial, Upgrade};
use portcullis_gate::trail::Ending;
use portcullis_wire::Body;

use super::connection::{Connection, Then};
use super::decide::{self, Answered, Forward};
use super::download::Download;
use super::exchange::{Ended, Exchange, Failure};
use super::upload::Upload;
use crate::core::Local;
use crate::sockets::Share;
use crate::tunnel;

impl Connection {
    /// Sends an admitted request on and passes the answer back.
    pub(super) async fn forward(&mut self, local: &Rc<Local>, mut forward: Box<Forward>) -> Then {
        let core = Rc::clone(&self.core);
        let route = forward.permit.route(&local.policy);
        let pool = &local.pools[forward.upstream];
        let opened = match forward.facts.upgrade {
            Upgrade::None => None,
            // It counts since its handshake was answered.
            Upgrade::WebSocket | Upgrade::Other if forward.entered.is_some() => None,
            Upgrade::WebSocket | Upgrade::Other => {
                let mut shares = Share::at_handshake(route, &forward.ctx.client);
                shares.extend(Share::after_login(route, forward.permit.identity(), &forward.path));
                match core.shared.open_socket(shares) {
                    Some(opened) => Some(opened),
                    None => {
                        return self
                            .fail(local, &forward, Failure::Denied(Denial::TooManyConnections), false)
                            .await;
                    }
                }
            }
        };
        let mut upload = Upload::new(forward.facts.body, route.max_body);
        let joined = match forward.permit.holds(&local.policy) {
            Some(most) => self.hold(local, &mut forward, &mut upload, most).await,
            None => upload.join(&mut self.inbox, &mut self.out),
        };
        let forward = &mut *forward;
        if let Err(failure) = joined {
            if failure == Failure::ClientGone {
                self.record(local, forward, &upload, &Download::new(), true);
            }
            return self.fail(local, forward, failure, upload.is_drained()).await;
        }
        if let Err(denial) = pool.upstream().admit(core.now().monotonic_ms) {
            return self.fail(local, forward, Failure::Denied(denial), upload.is_drained()).await;
        }
        let mut retried = false;
        loop {
            let connected = match if retried { None } else { pool.take() } {
                Some(connection) => Ok(connection),
                None => pool.connect().await,
            };
            let Ok(connection) = connected else {
                core.shared.reached(forward.upstream, false);
                let failure = Failure::Denied(Denial::UpstreamUnreachable);
                forward.failed(pool.upstream(), failure, core.now().monotonic_ms);
                return self.fail(local, forward, failure, upload.is_drained()).await;
            };
            core.shared.reached(forward.upstream, true);
            self.deadline.set(if forward.facts.expects {
                pool.upstream().response_timeout
            } else {
                local.settings.caps.body_timeout
            });
            let crate::pool::Connection { stream, reused, endpoint } = connection;
            let mut exchange = Exchange {
                core: &core,
                local,
                forward,
                client: &mut self.stream,
                inbox: &mut self.inbox,
                out: &mut self.out,
                reply: &mut self.reply,
                deadline: &mut self.deadline,
                upstream: stream,
                upload,
                download: Download::new(),
            };
            let result = poll_fn(|cx| exchange.poll(cx)).await;
            let Exchange { upstream: stream, upload: sent, mut download, .. } = exchange;
            upload = sent;
            match result {
                Ok(Ended::Answered) => {
                    if download.reusable && download.outbox.is_empty() && upload.is_sent() {
                        pool.put(crate::pool::Connection { stream, reused: true, endpoint });
                    }
                    download.release(&core);
                    self.record(local, forward, &upload, &download, false);
                    return match (download.keep, upload.is_sent()) {
                        (true, true) => Then::Next,
                        _ => Then::Linger,
                    };
                }
                Ok(Ended::Switched) => {
                    let preface = match &forward.entered {
                        None => Vec::new(),
                        Some(entered) => {
                            let Some(preface) = self.welcome(local, entered).await else {
                                self.record(local, forward, &upload, &download, true);
                                return Then::Close;
                            };
                            preface
                        }
                    };
                    self.put_texts();
                    let relay = tunnel::Relay {
                        core: &core,
                        client: &mut self.stream,
                        inbox: &mut self.inbox,
                        upstream: stream,
                        outbox: std::mem::take(&mut download.outbox),
                        rules: route.websocket,
                        preface,
                        // Messages are judged wherever the client asked for a WebSocket.
                        framed: forward.facts.upgrade == Upgrade::WebSocket
                            && (download.websocket || route.websocket.meters()),
                        tenure: forward.permit.tenure(&local.policy),
                    };
                    let passed = relay.run(&mut self.deadline).await;
                    drop(opened);
                    forward.entered = None;
                    upload.bytes += passed.sent;
                    download.bytes += passed.received;
                    forward.ctx.notes.extend(passed.violation.map(tunnel::note));
                    forward.ctx.notes.extend(passed.exceeded.then(tunnel::exceeded));
                    forward.ctx.notes.extend(passed.revoked.then(tunnel::revoked));
                    self.record(local, forward, &upload, &download, false);
                    return if passed.ended { Then::Linger } else { Then::Close };
                }
                Err(Failure::UpstreamSilent)
                    if reused && !retried && forward.facts.idempotent && upload.can_repeat() =>
                {
                    // The application closed an idle connection while the request was on its way.
                    download.release(&core);
                    upload.restart();
                    retried = true;
                }
                Err(failure) => {
                    download.release(&core);
                    if failure == Failure::Cut || failure == Failure::ClientGone {
                        self.record(local, forward, &upload, &download, true);
                        if failure == Failure::Cut && forward.facts.http10 {
                            // Without chunks an orderly end would make the broken answer a whole one.
                            self.stream.reset_on_close();
                        }
                        return Then::Close;
                    }
                    forward.failed(pool.upstream(), failure, core.now().monotonic_ms);
                    return self.fail(local, forward, failure, upload.is_drained()).await;
                }
            }
        }
    }

    /// Answers with a refusal where the application's answer could not be had.
    async fn fail(&mut self, local: &Local, forward: &Forward, failure: Failure, drained: bool) -> Then {
        let Some(denial) = failure.denial() else { return Then::Close };
        if forward.entered.is_some() {
            return self.part(local, &forward.ctx, forward.facts.since, Some(denial)).await;
        }
        let reply = local.policy.reply(&denial, &forward.ctx);
        // The head was used already. What of the body is still to come cannot be told from a next request.
        let facts = decide::Facts {
            head_len: 0,
            body: Body::Empty,
            persistent: forward.facts.persistent && drained,
            ..forward.facts
        };
        let ctx = forward.ctx.clone();
        let answered = Answered { reply, ctx, denial: Some(denial), facts, preflight: false };
        self.answer(local, Box::new(answered)).await
    }

    fn record(&self, local: &Local, forward: &Forward, upload: &Upload, download: &Download, aborted: bool) {
        let recorder = &mut **self.core.recorder.borrow_mut();
        if !forward.ctx.notes.is_empty() {
            self.trail.events(&local.policy, &forward.ctx, None, download.status, recorder);
        }
        self.trail.access(
            &local.policy,
            &forward.ctx,
            &Ending {
                status: download.status,
                denial: None,
                bytes_in: upload.bytes,
                bytes_out: download.bytes,
                duration_us: forward.facts.since.elapsed().as_micros() as u64,
                aborted,
            },
            recorder,
        );
    }
}
