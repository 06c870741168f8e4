//! A small web server for the page: this machine only, with the headers that shared memory needs.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use tiny_http::{Header, Request, Response, Server, StatusCode};

/// Folders that are served: a prefix of the path in the address, and where it lies.
pub type Mounts = Vec<(&'static str, PathBuf)>;

/// A running server. It ends with the program.
pub struct Running {
    /// `http://127.0.0.1:PORT/`.
    pub address: String,
}

/// Starts to serve on 127.0.0.1. `port` 0 takes a free one.
pub fn start(port: u16, mounts: Mounts) -> Result<Running> {
    let server = Server::http(("127.0.0.1", port))
        .map_err(|error| anyhow!("cannot serve on 127.0.0.1:{port}: {error}"))?;
    let port = server.server_addr().to_ip().map_or(port, |address| address.port());
    let server = Arc::new(server);
    let mounts = Arc::new(mounts);
    for _ in 0..4 {
        let (server, mounts) = (server.clone(), mounts.clone());
        std::thread::spawn(move || {
            while let Ok(request) = server.recv() {
                // A browser that went away in the middle is no error of ours.
                let _ = answer(request, &mounts);
            }
        });
    }
    Ok(Running { address: format!("http://127.0.0.1:{port}/") })
}

fn answer(request: Request, mounts: &Mounts) -> std::io::Result<()> {
    let path = request.url().split(['?', '#']).next().unwrap_or("/").to_owned();
    let Some(file) = find(&path, mounts) else {
        return request.respond(with_headers(
            Response::from_string("Not found"),
            "text/plain",
            404,
        ));
    };
    let mut source = File::open(&file)?;
    let len = source.metadata()?.len();
    let kind = content_type(&file);
    let range = request
        .headers()
        .iter()
        .find(|header| header.field.equiv("Range"))
        .and_then(|header| parse_range(header.value.as_str(), len));
    match range {
        Some((start, end)) => {
            source.seek(SeekFrom::Start(start))?;
            let count = end - start + 1;
            let body = source.take(count);
            let response =
                Response::new(StatusCode(206), Vec::new(), body, Some(count as usize), None);
            let range = header("Content-Range", &format!("bytes {start}-{end}/{len}"));
            request.respond(with_headers(response, kind, 206).with_header(range))
        }
        None => {
            let response =
                Response::new(StatusCode(200), Vec::new(), source, Some(len as usize), None);
            request.respond(with_headers(response, kind, 200))
        }
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("header names and values here are plain text")
}

/// Cross-origin isolation, without which a page gets no shared memory.
fn with_headers<R: Read>(response: Response<R>, kind: &str, status: u16) -> Response<R> {
    response
        .with_status_code(status)
        .with_header(header("Content-Type", kind))
        .with_header(header("Accept-Ranges", "bytes"))
        .with_header(header("Cache-Control", "no-cache"))
        .with_header(header("Cross-Origin-Opener-Policy", "same-origin"))
        .with_header(header("Cross-Origin-Embedder-Policy", "require-corp"))
        .with_header(header("Cross-Origin-Resource-Policy", "same-origin"))
}

/// The file behind a path, never outside the folder that is served.
fn find(path: &str, mounts: &Mounts) -> Option<PathBuf> {
    let (rest, dir) = mounts
        .iter()
        .filter_map(|(prefix, dir)| Some((path.strip_prefix(prefix)?, dir)))
        .min_by_key(|(rest, _)| rest.len())?;
    let relative = Path::new(if rest.is_empty() { "index.html" } else { rest });
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    Some(dir.join(relative)).filter(|file| file.is_file())
}

fn parse_range(value: &str, len: u64) -> Option<(u64, u64)> {
    let (start, end) = value.strip_prefix("bytes=")?.split_once('-')?;
    let start = start.parse().ok()?;
    let end = if end.is_empty() { len.checked_sub(1)? } else { end.parse().ok()? };
    (start <= end && end < len).then_some((start, end))
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("toml" | "txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_inside_the_file() {
        assert_eq!(parse_range("bytes=0-9", 10), Some((0, 9)));
        assert_eq!(parse_range("bytes=4-", 10), Some((4, 9)));
        assert_eq!(parse_range("bytes=0-10", 10), None);
        assert_eq!(parse_range("bytes=5-4", 10), None);
        assert_eq!(parse_range("bytes=0-", 0), None);
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let mounts = vec![("/", PathBuf::from(env!("CARGO_MANIFEST_DIR")))];
        assert!(find("/Cargo.toml", &mounts).is_some());
        assert!(find("/../Cargo.toml", &mounts).is_none());
        assert!(find("/src/../Cargo.toml", &mounts).is_none());
        assert!(find("//etc/passwd", &mounts).is_none());
    }
}
