/* vault.c: the process with the keys: gives up what it can, then serves. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit.h"
#include "clock.h"
#include "crypto.h"
#include "integrity.h"
#include "keeper_link.h"
#include "log.h"
#include "passphrase.h"
#include "roles.h"
#include "sandbox.h"
#include "serve.h"
#include "tpm.h"

#define TICK_MS 5000
#define ORDERLY_MS 500 /* in which the monitor asks for the end, if it does */
#define CODE_NS 60000000000ull /* between looks at the code */
#define REST_NS 3000000000ull /* for calls that run apart, at the stop */

static const char *grade_name(enum secret_grade g)
{
	static const char *const names[] = {
		[SECRET_MEMFD] = "memfd_secret",
		[SECRET_LOCKED] = "locked, not dumped",
		[SECRET_PLAIN] = "not locked (raise RLIMIT_MEMLOCK)",
	};

	return names[g];
}

static struct hsm_config hsm_settings(const struct config *c)
{
	struct hsm_config h = hsm_config_default;

	h.max_sessions = (unsigned)c->max_sessions;
	h.max_objects = (unsigned)c->max_objects;
	h.max_connections = (unsigned)c->max_connections;
	h.max_applications = (unsigned)c->max_applications;
	h.max_message = (unsigned)c->max_message;
	h.pin_min = (unsigned)c->pin_min;
	h.pin_max = (unsigned)c->pin_max;
	h.pin_failures = (unsigned)c->pin_failures;
	h.ticket_seconds = (unsigned)c->ticket_seconds;
	h.argon2_kib = (uint32_t)c->argon2_kib;
	h.argon2_passes = (uint32_t)c->argon2_passes;
	h.pin_pbkdf2 = c->pin_kdf == PIN_BY_PBKDF2;
	h.pbkdf2_passes = (uint32_t)c->pbkdf2_passes;
	h.onetime_reserve = (unsigned)c->onetime_reserve;
	h.tamper_action = (enum tamper_action)c->tamper_action;
	h.quorum_s = (unsigned)c->quorum_s;
	h.read_only = c->read_only != 0;
	h.strict_partitions = c->strict_partitions != 0;
	h.clients_may_create = c->clients_may_create != 0;
	h.audit_use = (unsigned)c->audit_use;
	h.audit_auth = (unsigned)c->audit_auth;
	h.audit_keys = (unsigned)c->audit_keys;
	h.audit_failures = (unsigned)c->audit_failures;
	h.audit_all = (unsigned)c->audit_all;
	h.audit_closed = (unsigned)c->audit_closed;
	h.audit_count_seconds = (unsigned)c->audit_count_seconds;
	h.audit_ml_dsa = c->audit_signature != 0;
	h.admin_uid = c->admin_uid == UINT32_MAX ? geteuid() : c->admin_uid;
	h.login_gid = c->login_gid;
	return h;
}

/* Two words in a page: the monitor keeps it for the vault that comes after this one. */
static struct audit_tally *map_tally(void)
{
	void *p = mmap(NULL, sizeof(struct audit_tally), PROT_READ | PROT_WRITE, MAP_SHARED, FD_TALLY, 0);
	struct stat st;

	if (p == MAP_FAILED || fstat(FD_TALLY, &st) != 0 || st.st_size < (off_t)sizeof(struct audit_tally))
		return NULL;
	(void)close(FD_TALLY);
	return p;
}

static void check_integrity(struct hsm *h, bool allow_unsealed)
{
	switch (integrity_check()) {
	case INTEGRITY_GOOD:
		hsm_fact(h, "executable", "integrity verified");
		break;
	case INTEGRITY_UNSEALED:
		hsm_fact(h, "executable", "not sealed");
		if (!allow_unsealed)
			hsm_fail(h, "the executable is not sealed (tools/seal-executable.py)");
		break;
	case INTEGRITY_WRONG:
		hsm_fail(h, "the executable is not the one that was built: its checksum differs");
		break;
	}
}

/* protect puts seccomp in force and says what protects the process. */
static bool protect(struct hsm *h, int landlock, bool allow_no_seccomp)
{
	bool filtered = sandbox_calls(SANDBOX_VAULT) == HF_OK;
	char line[200], abi[32] = "no Landlock";

	if (landlock > 0)
		snprintf(abi, sizeof(abi), "Landlock ABI %d", landlock);
	snprintf(line, sizeof(line), "%s, %s, secret memory: %s, not dumpable, no core files",
		filtered ? "seccomp" : "NO SECCOMP", abi, grade_name(secret_status().worst));
	hsm_fact(h, "protections", line);
	log_notice("protections: %s", line);
	if (!filtered && !allow_no_seccomp)
		log_error("refusing to start without seccomp (--allow-no-seccomp overrides)");
	return filtered || allow_no_seccomp;
}

/* unlock_by_file: where it fails, the HSM stays locked and says so to everybody. */
static void unlock_by_file(struct hsm *h, struct secret *passphrase)
{
	enum hf_err e = HF_E_STATE;

	if (passphrase->n > 0)
		e = passphrase_unlock(h, secret_slice(passphrase));
	secret_done(passphrase);
	if (e == HF_OK)
		log_notice("unlocked with the passphrase of passphrase-file");
	else if (e != HF_E_STATE)
		log_error("passphrase-file does not unlock the HSM: %s", err_text(e));
}

/* The TPM is the module's from here on. */
static struct hsm_unlock unlock_settings(const struct config *c)
{
	struct hsm_unlock u = {
		.key_fd = c->unlock == UNLOCK_BY_FILE ? FD_UNLOCK : -1,
		.pcrs = (uint32_t)c->tpm_pcrs,
		.by_tpm = c->unlock == UNLOCK_BY_TPM,
		.attended = c->attended_start != 0,
	};

	if (fcntl(FD_TPM, F_GETFD) >= 0 && tpm_open(FD_TPM, &u.tpm) != HF_OK)
		log_error("this holdfastd was built without TPM");
	return u;
}

static void say_ready(void)
{
	const char c = ROLE_READY;

	(void)!send(FD_CONTROL, &c, 1, MSG_NOSIGNAL);
}

/* hear takes lines from the monitor, each a tamper event. False: no more will come. */
static bool hear(struct hsm *h)
{
	char some[512], *rest = some, *line;
	ssize_t n = read(FD_CONTROL, some, sizeof(some) - 1);

	if (n <= 0)
		return false;
	some[n] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			hsm_tampered(h, line);
	return true;
}

static pid_t monitor_pid; /* seccomp lets nobody ask any more */

/* Signals are sent by the monitor, by the system's first process as it goes down, and by the
 * kernel for the terminal. */
static void who_signals(struct hsm *h, int signals)
{
	struct pollfd monitor = { FD_CONTROL, POLLIN, 0 };
	struct signalfd_siginfo s;
	char why[120];

	if (read(signals, &s, sizeof(s)) != (ssize_t)sizeof(s) || s.ssi_pid <= 1 ||
	    s.ssi_pid == (uint32_t)monitor_pid)
		return;
	if (poll(&monitor, 1, ORDERLY_MS) > 0) /* all processes got it, the monitor too */
		return;
	(void)snprintf(why, sizeof(why), "signal %u to the vault from process %u of uid %u", s.ssi_signo,
		s.ssi_pid, s.ssi_uid);
	hsm_tampered(h, why);
}

/* check_code finds what was changed in the code since the start, as breakpoints do. */
static void check_code(struct hsm *h)
{
	static uint64_t last;
	static bool told;
	uint64_t now = clock_mono_ns();

	if (told || now - last < CODE_NS)
		return;
	if (last != 0 && integrity_check() == INTEGRITY_WRONG) {
		told = true;
		hsm_tampered(h, "the code of the vault was changed in memory");
	}
	last = now;
}

/* wait_for_end returns when the vault should end: told by the monitor, a signal, an
 * administrator, or idleness. */
static void wait_for_end(struct hsm *h, struct server *s, int signals, uint64_t idle_s, bool watch)
{
	struct pollfd p[] = { { FD_CONTROL, POLLIN, 0 }, { signals, POLLIN, 0 },
		{ serve_wake_fd(s), POLLIN, 0 } };
	uint64_t busy = clock_mono_ns();
	int timeout = idle_s > 0 && idle_s * 1000 < TICK_MS ? 1000 : TICK_MS;

	for (;;) {
		poll(p, 3, timeout);
		if (p[1].revents != 0 && watch)
			who_signals(h, signals);
		if ((p[0].revents != 0 && !hear(h)) || p[1].revents != 0 || hsm_stop_wanted(h))
			return;
		if (watch)
			check_code(h);
		serve_tick(s);
		hsm_tick(h);
		if (hsm_connections(h) > 0)
			busy = clock_mono_ns();
		else if (idle_s > 0 && clock_mono_ns() - busy > idle_s * 1000000000u) {
			log_info("idle: leaving");
			return;
		}
	}
}

static int signals_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(const struct config *c, const struct role_flags *f, struct keeper *k, int landlock,
	int signals)
{
	struct hsm_config settings = hsm_settings(c);
	struct hsm_unlock unlock = unlock_settings(c);
	struct secret passphrase = { 0 };
	struct hsm *h;
	struct server *s;

	settings.audit_tally = map_tally();
	if (passphrase_read(FD_PASSPHRASE, &passphrase) != HF_OK)
		return 1;
	if (hsm_open(&settings, k, &unlock, &h) != HF_OK) {
		log_error("the store cannot be opened; see above");
		return 1;
	}
	check_integrity(h, f->allow_unsealed);
	if (!protect(h, landlock, f->allow_no_seccomp))
		return EXIT_NO_SANDBOX;
	unlock_by_file(h, &passphrase);
	if (serve_start(h, FD_LISTEN, c, &s) != HF_OK)
		return 1;
	say_ready();
	wait_for_end(h, s, signals, f->private_ ? c->idle_seconds : 0,
		c->tamper_watch != 0);
	if (serve_stop(s) && hsm_rest(h, clock_mono_ns() + REST_NS))
		hsm_close(h);
	return 0;
}

int vault_main(const struct config *c, const struct role_flags *f)
{
	struct keeper *k;
	int landlock, signals = signals_fd();

	monitor_pid = getppid();
	if (signals < 0 || sandbox_harden() != HF_OK)
		return 1;
	crypto_fips(c->fips_module, c->fips_config);
	if (secret_init(0) != HF_OK || crypto_init() != HF_OK) {
		log_error("%s", *crypto_why() != '\0' ? crypto_why() :
			"protected memory or OpenSSL cannot be set up");
		return *crypto_why() != '\0' ? EXIT_NO_FIPS : 1;
	}
	landlock = sandbox_no_files(-1);
	if (keeper_link_open(FD_LINK, &k) != HF_OK)
		return 1;
	/* Detached threads may still run: the process ends without destructors. */
	_exit(run(c, f, k, landlock, signals));
}
