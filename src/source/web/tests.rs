//! Nothing is reached that nobody allowed, however its address is written; what is allowed is fetched, and told apart from what is
//! gone, away, too large or going in circles.

use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;

use super::testing::{Page, WebServer};
use super::*;
use crate::config::Host;
use crate::error::{Blame, Kind};

/// Forms of addresses that lead, for some reader, to this machine or to a network of its own. PORT is where somebody listens.
const FORMS: &[&str] = &[
    // spellings of 127.0.0.1
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1:PORT./",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.1.2.3:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://0300.0250.0.1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://１２７.0.0.1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://①②⑦.0.0.1:PORT/",
    // no address, and what systems make of it
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://0x0:PORT/",
    // of IPv6, and of IPv4 inside
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[fc00::1]:PORT/",
    "http://[fd00:ec2::254]:PORT/",
    // other networks that are nobody's business
    "http://10.0.0.1:PORT/",
    "http://172.16.0.1:PORT/",
    "http://192.168.0.1:PORT/",
    "http://100.64.0.1:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://224.0.0.1:PORT/",
    "http://255.255.255.255:PORT/",
    "http://192.0.2.1:PORT/",
    "http://198.18.0.1:PORT/",
    // names
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://loopback.test:PORT/",
    "http://both.test:PORT/",
    "http://mapped.test:PORT/",
    "http://metadata.test/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    // users, and what looks like one
    "http://example.org@127.0.0.1:PORT/",
    "http://example.org:80@127.0.0.1:PORT/",
    "http://me:secret@loopback.test:PORT/",
    "http://example.org\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@example.org/",
    "http://127.0.0.1:PORT#@example.org/",
    "http://127.0.0.1:PORT?@example.org/",
    "http://@127.0.0.1:PORT/",
    // schemes and slashes
    "HTTP://127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_GET",
    "file:///etc/passwd",
    "file://127.0.0.1:PORT/",
    "ws://127.0.0.1:PORT/",
    "view-source:http://127.0.0.1:PORT/",
    "data:application/pdf,127.0.0.1:PORT",
    // blanks and control characters
    " http://127.0.0.1:PORT/",
    "ht\ttp://127.0.0.1:PORT/",
    "http://127.0\n.0.1:PORT/",
    "http://example.org\r\nHost: 127.0.0.1:PORT/",
    "http://127.0.0.1\u{0}:PORT/",
];

/// What names mean here.
fn lookup(asked: &Arc<AtomicUsize>) -> Lookup {
    let asked = asked.clone();
    Arc::new(move |host| {
        asked.fetch_add(1, Ordering::SeqCst);
        let found: &[&str] = match host.as_str() {
            "localhost" => &["127.0.0.1", "::1"],
            "loopback.test" | "front.test" => &["127.0.0.1"],
            "both.test" => &["203.0.113.5", "127.0.0.1"],
            "mapped.test" => &["::ffff:127.0.0.1"],
            "metadata.test" => &["169.254.169.254"],
            _ => &[],
        };
        let found = found.iter().map(|address| address.parse().unwrap()).collect();
        async move { Ok(found) }.boxed()
    })
}

/// Somebody who must not be reached, at every address of this machine.
struct Listener {
    port: u16,
    reached: Arc<AtomicUsize>,
}

impl Listener {
    fn start() -> Self {
        let (reached, mut port) = (Arc::new(AtomicUsize::new(0)), 0);
        for any in ["0.0.0.0", "::"] {
            // Where this machine has no IPv6, nobody can be reached by it.
            let Ok(listener) = TcpListener::bind((any, port)) else { continue };
            port = listener.local_addr().unwrap().port();
            let reached = reached.clone();
            std::thread::spawn(move || {
                for connection in listener.incoming() {
                    reached.fetch_add(1, Ordering::SeqCst);
                    drop(connection);
                }
            });
        }
        Self { port, reached }
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

fn settings() -> config::Urls {
    config::Urls { enabled: true, http: true, timeout: Duration::from_secs(300), ..config::Urls::default() }
}

fn hosts(names: &[String]) -> Vec<Host> {
    names.iter().map(|name| Host::parse(name).unwrap()).collect()
}

fn web(settings: config::Urls) -> Web {
    Web::with_lookup(settings, None, lookup(&Arc::default()))
}

async fn fetched(web: &Web, uri: &str) -> Result<String> {
    let spool = tempfile::tempdir().unwrap();
    let fetched = web.fetch(uri, spool.path(), 1_000).await?;
    Ok(std::fs::read_to_string(&fetched.copy.path).unwrap())
}

#[tokio::test]
async fn no_form_of_address_leads_to_where_nobody_allowed() {
    assert!(FORMS.len() >= 40);
    let listener = Listener::start();
    let front = WebServer::start().await;
    let front_host = format!("front.test:{}", front.address.port());
    // Clients take long to set up: one pair does for all.
    let mut web = web(settings());
    for form in FORMS {
        let form = form.replace("PORT", &listener.port.to_string());
        // Not even where the host and its port are among those that may be asked: a public address is expected there.
        let host = Url::parse(&form).ok().and_then(|url| {
            let host = url.host_str().filter(|host| !host.is_empty())?;
            Host::parse(&url.port().map_or(host.to_owned(), |port| format!("{host}:{port}")))
        });
        for named in [host.into_iter().collect(), Vec::new()] {
            let private_hosts = hosts(std::slice::from_ref(&front_host));
            web.settings = config::Urls { hosts: named, private_hosts, ..settings() };
            let error = fetched(&web, &form).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Permanent, "{form:?}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
            let listed = web.discover(std::slice::from_ref(&form), &Discover::default()).await.unwrap();
            assert!(listed.files.is_empty() && listed.problems.len() == 1, "{form:?}");
            assert!(!listed.problems[0].0.display().to_string().contains("secret"), "{form:?}");
            // Nor by a detour. What no header can carry leads nowhere, and what is no whole address stays where it is.
            if form.bytes().all(|byte| byte.is_ascii_graphic()) {
                front.says("away", Page::Redirect(form.clone()));
                let detour = fetched(&web, &format!("http://{front_host}/away")).await;
                assert!(detour.is_err(), "{form:?}");
            }
        }
        assert_eq!(listener.reached(), 0, "{form:?}");
    }
    // It would have been noticed.
    let named = hosts(&[format!("127.0.0.1:{}", listener.port), format!("loopback.test:{}", listener.port)]);
    web.settings = config::Urls { private_hosts: named, ..settings() };
    for host in ["127.0.0.1", "loopback.test"] {
        let before = listener.reached();
        let error = fetched(&web, &format!("http://{host}:{}/", listener.port)).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(listener.reached() > before);
    }
}

#[tokio::test]
async fn only_the_hosts_and_ports_that_are_named_are_asked() {
    let settings = config::Urls { hosts: hosts(&["example.org".into(), "*.example.net:8443".into()]), ..settings() };
    let allowed = |text: &str| Address::parse(text, &settings).map(|address| address.url.to_string());
    assert_eq!(allowed("HTTPS://Example.org:443/a/../b.pdf?x=1#page=2").unwrap(), "https://example.org/b.pdf?x=1");
    assert!(allowed("https://a.example.net:8443/x").is_ok());
    for refused in
        ["https://example.com/", "https://a.example.org/", "https://example.org:8443/", "https://a.example.net/"]
    {
        assert!(allowed(refused).unwrap_err().to_string().contains("urls.hosts"), "{refused}");
    }
    let plain = config::Urls { http: false, ..settings.clone() };
    assert!(Address::parse("http://example.org/", &plain).unwrap_err().to_string().contains("urls.http"));
    let open = config::Urls { hosts: Vec::new(), ..settings.clone() };
    assert!(Address::parse("https://8.8.8.8/", &open).is_ok());
    assert!(Address::parse("https://example.com:22/", &open).unwrap_err().to_string().contains("its port"));
}

#[tokio::test]
async fn nothing_is_asked_while_it_is_switched_off() {
    let listener = Listener::start();
    let private_hosts = hosts(&[format!("127.0.0.1:{}", listener.port)]);
    let web = web(config::Urls { enabled: false, private_hosts, ..settings() });
    let uri = format!("http://127.0.0.1:{}/", listener.port);
    let error = fetched(&web, &uri).await.unwrap_err();
    assert!(error.kind() == Kind::Configuration && error.to_string().contains("urls: {enabled: true}"), "{error}");
    assert_eq!(web.discover(&[uri], &Discover::default()).await.unwrap_err().kind(), Kind::Configuration);
    assert_eq!(listener.reached(), 0);
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected() {
    let server = WebServer::start().await;
    server.says("a.pdf", Page::Document { bytes: b"here".to_vec(), etag: None });
    let asked = Arc::new(AtomicUsize::new(0));
    let host = format!("front.test:{}", server.address.port());
    let settings = config::Urls { private_hosts: hosts(std::slice::from_ref(&host)), ..settings() };
    let web = Web::with_lookup(settings, None, lookup(&asked));
    assert_eq!(fetched(&web, &format!("http://{host}/a.pdf")).await.unwrap(), "here");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a second look could find another machine");
    // A variable of the environment names no proxy for it, and a name without addresses is away.
    let unknown = config::Urls { private_hosts: hosts(&["nowhere.test:1".into()]), ..self::settings() };
    let error = fetched(&self::web(unknown), "http://nowhere.test:1/").await.unwrap_err();
    assert!(error.is_transient() && error.blame() == Blame::Dependency, "{error}");
}

/// A server whose documents may be fetched, and who fetches them.
struct Site {
    server: WebServer,
    web: Web,
    spool: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let server = WebServer::start().await;
        let private_hosts = hosts(&[server.address.to_string()]);
        let web = web(config::Urls { private_hosts, max_redirects: 2, ..settings() });
        Self { server, web, spool: tempfile::tempdir().unwrap() }
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.server.address)
    }

    async fn fetch(&self, name: &str) -> Result<String> {
        let fetched = self.web.fetch(&self.url(name), self.spool.path(), 10).await?;
        Ok(std::fs::read_to_string(&fetched.copy.path).unwrap())
    }

    async fn discover(&self, names: &[&str]) -> Discovery {
        let addresses: Vec<String> = names.iter().map(|name| self.url(name)).collect();
        self.web.discover(&addresses, &Discover::default()).await.unwrap()
    }
}

#[tokio::test]
async fn a_document_is_fetched_once_and_then_asked_for() {
    let site = Site::new().await;
    let document = |text: &str, etag: &str| Page::Document { bytes: text.into(), etag: Some(etag.into()) };
    site.server.says("a.pdf", document("one", "\"1\""));
    let found = site.discover(&["a.pdf"]).await;
    assert_eq!((found.files[0].version.clone(), found.files[0].source.name.as_str()), (None, "a.pdf"));
    assert_eq!((found.roots[0].uri.as_str(), found.roots[0].files), ("http://", 1));
    let uri = site.url("a.pdf");
    let fetched = site.web.fetch(&uri, site.spool.path(), 10).await.unwrap();
    site.web.remember(&uri, fetched.version());
    let same = || Some(ContentHash::of(b"one"));
    assert_eq!((&fetched.copy.content_hash, fetched.copy.size_bytes), (&ContentHash::of(b"one"), 3));
    site.server.asked();
    assert_eq!(site.discover(&["a.pdf"]).await.files[0].version, same());
    assert_eq!(site.server.asked(), [("/a.pdf".to_owned(), 304)]);
    site.server.says("a.pdf", document("two", "\"2\""));
    assert_eq!(site.discover(&["a.pdf"]).await.files[0].version, None, "another version");
}

#[tokio::test]
async fn what_is_gone_is_told_from_what_is_away() {
    let site = Site::new().await;
    for (name, status) in [("gone.pdf", 410), ("away.pdf", 503), ("closed.pdf", 403), ("odd.pdf", 204)] {
        site.server.says(name, Page::Status(status));
    }
    site.server.says("silent.pdf", Page::Silence);
    site.server.says("there.pdf", Page::Document { bytes: b"x".to_vec(), etag: None });
    let names = ["gone.pdf", "never.pdf", "away.pdf", "closed.pdf", "odd.pdf", "there.pdf"];
    let found = site.discover(&names).await;
    let gone: Vec<&str> = found.gone.iter().map(|(uri, _)| uri.as_str()).collect();
    assert_eq!(gone, [site.url("gone.pdf"), site.url("never.pdf")]);
    assert_eq!((found.files.len(), found.left_out.len(), found.problems.len()), (1, 3, 3));
    assert_eq!((found.roots[0].files, found.roots[0].problems), (1, 3));
    let away = site.fetch("away.pdf").await.unwrap_err();
    assert_eq!(away.kind(), Kind::Transient { retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(away.blame(), Blame::Dependency);
    let private_hosts = hosts(&[site.server.address.to_string()]);
    let impatient = web(config::Urls { private_hosts, timeout: Duration::from_millis(100), ..settings() });
    let silent = fetched(&impatient, &site.url("silent.pdf")).await.unwrap_err();
    assert!(silent.is_transient() && silent.to_string().contains("urls.timeout_s"), "{silent}");
}

#[tokio::test]
async fn no_more_is_taken_than_is_allowed() {
    let site = Site::new().await;
    site.server.says("fits.pdf", Page::Pieces(vec![vec![b'a'; 5], vec![b'a'; 5]]));
    site.server.says("told.pdf", Page::Document { bytes: vec![b'a'; 11], etag: None });
    site.server.says("untold.pdf", Page::Pieces(vec![vec![b'a'; 5]; 1_000]));
    site.server.says("packed.pdf", Page::Packed(b"ab".to_vec()));
    assert_eq!(site.fetch("fits.pdf").await.unwrap(), "a".repeat(10));
    for large in ["told.pdf", "untold.pdf"] {
        let error = site.fetch(large).await.unwrap_err();
        assert_eq!(error.limit().map(|limit| limit.value), Some(10), "{error}");
        assert_eq!(error.kind(), Kind::Permanent);
    }
    let packed = site.fetch("packed.pdf").await.unwrap_err();
    assert!(packed.to_string().contains("sent packed"), "{packed}");
    assert_eq!(std::fs::read_dir(site.spool.path()).unwrap().count(), 0, "nothing is left of them");
}

#[tokio::test]
async fn redirects_are_followed_so_far_and_a_circle_ends() {
    let site = Site::new().await;
    site.server.says("a", Page::Redirect("/b".into()));
    site.server.says("b", Page::Redirect(site.url("c")));
    site.server.says("c", Page::Document { bytes: b"there".to_vec(), etag: None });
    site.server.says("loop", Page::Redirect("loop".into()));
    assert_eq!(site.fetch("a").await.unwrap(), "there");
    let found = site.discover(&["a"]).await;
    assert_eq!(found.files[0].source.uri, site.url("a"), "it is known by the address that was listed");
    site.server.asked();
    let circle = site.fetch("loop").await.unwrap_err();
    assert!(circle.to_string().contains("more than 2 times"), "{circle}");
    assert_eq!(site.server.asked().len(), 3);
}

#[tokio::test]
async fn a_list_is_a_file_with_an_address_a_line() {
    let site = Site::new().await;
    site.server.says("a.pdf", Page::Document { bytes: b"x".to_vec(), etag: None });
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.txt");
    let (a, b) = (site.url("a.pdf"), site.url("b.pdf#page=2"));
    std::fs::write(&list, format!("\u{feff}# ours\n\n  {a}  # the first\r\n{a}\nftp://x/\n{b}\n")).unwrap();
    let options = Discover { url_lists: vec![list.clone()], ..Discover::default() };
    let found = site.web.discover(&[], &options).await.unwrap();
    assert_eq!((found.files.len(), found.gone.len()), (1, 1), "each once, remarks are none");
    assert_eq!(found.gone[0].0, site.url("b.pdf"));
    assert_eq!(found.problems[0].0, PathBuf::from(format!("{}:5", list.display())));
    std::fs::remove_file(&list).unwrap();
    let error = site.web.discover(&[], &options).await.unwrap_err();
    assert!(error.to_string().contains("list.txt"), "{error}");
}

#[test]
fn documents_are_called_as_their_addresses_end() {
    for (uri, name) in [
        ("https://example.org/a/report%202.pdf?v=3", "report 2.pdf"),
        ("https://example.org/a/b/", "b"),
        ("https://example.org", "example.org"),
        ("https://example.org/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("https://example.org/a%0A%E2%80%AEb.pdf", "ab.pdf"),
    ] {
        assert_eq!(url_name(uri), name, "{uri}");
    }
    assert!(url_name(&format!("https://example.org/{}.pdf", "a".repeat(400))).ends_with("aaa.pdf"));
}

/// Answers differ from lookup to lookup: what a name means is not asked twice for one connection.
#[tokio::test]
async fn a_name_that_turns_to_this_machine_is_not_followed() {
    let listener = Listener::start();
    let answers = Arc::new(Mutex::new(vec!["127.0.0.1", "203.0.113.5"]));
    let turning: Lookup = Arc::new(move |_| {
        let found = answers.lock().unwrap().pop().unwrap_or("127.0.0.1").parse().unwrap();
        async move { Ok(vec![found]) }.boxed()
    });
    let named = hosts(&[format!("turns.test:{}", listener.port)]);
    let web = Web::with_lookup(config::Urls { hosts: named, ..settings() }, None, turning);
    let uri = format!("http://turns.test:{}/", listener.port);
    for _ in 0..3 {
        assert_eq!(fetched(&web, &uri).await.unwrap_err().kind(), Kind::Permanent);
    }
    assert_eq!(listener.reached(), 0);
}
