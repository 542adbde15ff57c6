/* loopback.c: the PKCS#11 module with its vault in the same process, over a keeper in memory.
 * The linker hands client_open to this file (--wrap), which gives each application the
 * loopback transport; all else is the module. What it holds ends with the process. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"
#include "crypto.h"
#include "hsm.h"
#include "keeper_memory.h"
#include "lock.h"
#include "log.h"

enum hf_err __real_client_open(const struct client_options *o, struct client **ret);
enum hf_err __wrap_client_open(const struct client_options *o, struct client **ret);

static struct mutex lock = MUTEX_INIT;
static struct hsm *hsm; /* NULL: not yet */

static enum hf_err start(void)
{
	struct hsm_config cfg = hsm_config_default;
	struct hsm_unlock unlock = { .key_fd = memfd_create("unlock", MFD_CLOEXEC) };

	log_open("vault", LOG_L_ERROR);
	TRY(crypto_init());
	cfg.argon2_kib = 64;
	cfg.argon2_passes = 1;
	cfg.pbkdf2_passes = 10;
	cfg.admin_uid = getuid();
	return hsm_open(&cfg, keeper_memory_keeper(keeper_memory_new()), &unlock, &hsm);
}

static void serve(void *ctx, struct slice request, struct buf *response)
{
	struct slice fields = { request.p + WIRE_HEAD, request.n - WIRE_HEAD };
	struct wire_head h;

	if (wire_head_get(request.p, WIRE_MAX_BYTES, &h) != HF_OK ||
	    !hsm_serve(ctx, &h, fields, response))
		buf_reset(response); /* the connection breaks */
}

static void closed(void *ctx)
{
	hsm_conn_close(ctx);
}

static enum hf_err dial(void *ctx, struct transport **ret)
{
	struct peer p = { .uid = getuid(), .gid = getgid(), .pid = (uint64_t)getpid() };
	struct hsm_conn *c;
	enum hf_err e;

	(void)ctx;
	{
		MUTEX_HOLD(&lock);
		TRY(hsm != NULL ? HF_OK : start());
	}
	TRY(hsm_conn_open(hsm, &p, &c));
	e = transport_loopback(serve, c, closed, ret);
	if (e != HF_OK)
		hsm_conn_close(c);
	return e;
}

enum hf_err __wrap_client_open(const struct client_options *o, struct client **ret)
{
	struct client_options with = *o;

	with.connect = dial;
	return __real_client_open(&with, ret);
}
