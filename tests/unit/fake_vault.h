/* fake_vault.h: a vault of a few lines, for tests of the client: it answers in
 * this process, logs the calls it sees, and breaks where the script says. */
#ifndef HF_FAKE_VAULT_H
#define HF_FAKE_VAULT_H

#include "calls_codec.h"
#include "client.h"
#include "lock.h"

#define FAKE_SESSIONS 64
#define FAKE_LOG 65536

struct fake_session {
	uint64_t id, slot;
	bool signing, fed;
	bool digesting;
};

/* What goes wrong at the next call of op. */
enum fake_fault {
	FAULT_NONE,
	FAULT_UNSEEN,  /* the link breaks before the request arrives */
	FAULT_SEEN,    /* the request arrives, is not worked on, the link breaks */
	FAULT_DONE,    /* it is worked on, the answer is lost */
	FAULT_RESTART, /* the vault restarts instead of answering */
	FAULT_FORGET,  /* the vault forgets all sessions, and then answers */
	FAULT_LATE,    /* the data did not come in time */
	FAULT_EARLY,   /* some of the answer is taken out, the vault restarts */
};

struct fake_vault {
	struct mutex lock;
	uint64_t boot;           /* 0: it does not run */
	unsigned links, opened;  /* connections now, and ever */
	unsigned waiting_opens;  /* how often connecting fails before it works again */
	uint64_t next_id;
	struct fake_session sessions[FAKE_SESSIONS];
	bool logged_in;
	bool refuse_tickets;
	bool pairs;              /* the link can send a quiet request ahead of another */
	bool key_gone;           /* sign_init fails */
	uint32_t renew_s;
	uint32_t lease;          /* ms, of digests */
	uint64_t created, last_origin; /* objects; the request id of the last one */
	unsigned randoms;        /* calls */
	bool poured;             /* the last request could be answered before all data were there */
	bool early;              /* the last request had room for what is ready before its answer */
	enum calls_op fault_op;
	enum fake_fault fault;
	char log[FAKE_LOG];      /* names of the calls, each with a blank */
	size_t log_n;
};

void fake_start(struct fake_vault *v);
void fake_restart(struct fake_vault *v);
/* fake_connect is a client_connect; its ctx is the vault. */
enum hf_err fake_connect(void *ctx, struct transport **ret) HF_MUST_CHECK;
void fake_script(struct fake_vault *v, enum calls_op op, enum fake_fault f);
void fake_log_clear(struct fake_vault *v);

#endif
