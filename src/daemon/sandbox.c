#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* With further arenas glibc's allocator opens files that no role may open by then: below /sys before
 * it makes the ninth, below /proc before it gives memory of any of them back. */
#define ARENAS 1

static void raise_limit(int which)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)which, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit((__rlimit_resource_t)which, &r);
	}
}

enum hf_err sandbox_harden(void)
{
	struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0) {
		log_error("sandbox: prctl or setrlimit: %m");
		return HF_E_INTERNAL;
	}
	(void)mallopt(M_ARENA_MAX, ARENAS);
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_MEMLOCK);
	return HF_OK;
}

/* --- Landlock ------------------------------------------------------------ */

/* What each ABI handles; the header of an older distribution does not know all
 * names, so the bits of Documentation/userspace-api/landlock.rst stand here. */
#define FS_ABI1 ((1ull << 13) - 1)
#define FS_READ 0xdull           /* execute, read files and directories */
#define FS_FILE 0x7ull           /* execute, write and read files */
#define FS_REFER (1ull << 13)    /* ABI 2 */
#define FS_TRUNCATE (1ull << 14) /* ABI 3 */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5 */
#define NET_TCP 3ull             /* ABI 4: bind, connect */
#define SCOPE_ALL 3ull           /* ABI 6: abstract unix sockets, signals */

struct ruleset {
	uint64_t fs, net, scoped;
};

static uint64_t fs_rights(int abi)
{
	return FS_ABI1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	       (abi >= 5 ? FS_IOCTL_DEV : 0);
}

static int create(const struct ruleset *r, size_t n, unsigned flags)
{
	return (int)syscall(SYS_landlock_create_ruleset, r, n, flags);
}

/* restrict_to handles every right there is, and gives some back below directories. */
struct grant {
	int dir;
	uint64_t rights;
};

/* Of a file, only these can be given. */
static uint64_t rights_at(int fd, uint64_t rights)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode))
		return rights;
	return rights & (FS_FILE | FS_TRUNCATE | FS_IOCTL_DEV);
}

static bool grant_all(int ruleset, const struct grant *g, size_t n, uint64_t handled)
{
	for (size_t i = 0; i < n; i++) {
		struct landlock_path_beneath_attr below = { rights_at(g[i].dir, g[i].rights) & handled,
			g[i].dir };

		if (g[i].dir >= 0 &&
		    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &below, 0) != 0)
			return false;
	}
	return true;
}

static int restrict_to(const struct grant *g, size_t n)
{
	int abi = create(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION), fd;
	struct ruleset r = { .fs = fs_rights(abi) };
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;

	if (abi < 1)
		return 0;
	r.net = abi >= 4 ? NET_TCP : 0;
	r.scoped = abi >= 6 ? SCOPE_ALL : 0;
	fd = create(&r, size, 0);
	if (fd < 0)
		return 0;
	if (!grant_all(fd, g, n, r.fs) || syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		abi = 0;
	close(fd);
	return abi;
}

#define GRANTS 8u

int sandbox_only_in(const int *dirs, size_t n)
{
	struct grant g[GRANTS];
	size_t count = 0;

	for (; count < n && count < GRANTS; count++)
		g[count] = (struct grant){ dirs[count], UINT64_MAX };
	return restrict_to(g, count);
}

int sandbox_no_files(int dirfd)
{
	return sandbox_only_in(&dirfd, 1);
}

int sandbox_write_only_in(const int *dirs, size_t n)
{
	struct grant g[GRANTS] = { { open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), FS_READ } };
	size_t count = 1;
	int abi;

	while (count < sizeof(g) / sizeof(g[0]) && count <= n) {
		g[count] = (struct grant){ dirs[count - 1], UINT64_MAX };
		count++;
	}
	abi = restrict_to(g, count);
	if (g[0].dir >= 0)
		close(g[0].dir);
	return abi;
}

/* --- seccomp ------------------------------------------------------------- */

#define CALL(name) SCMP_SYS(name)

/* What both roles need: memory, threads, time, their descriptors. */
static const int common_calls[] = {
	CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(pread64), CALL(pwrite64),
	CALL(recvfrom), CALL(recvmsg), CALL(sendto), CALL(sendmsg), CALL(shutdown), CALL(close),
	CALL(poll), CALL(ppoll), CALL(fsync), CALL(fdatasync), CALL(ftruncate), CALL(lseek),
	CALL(fstat), CALL(fcntl),
	CALL(futex), CALL(rseq), CALL(set_robust_list), CALL(sched_yield),
	CALL(sched_getaffinity), CALL(sched_setaffinity), CALL(membarrier), CALL(gettid), CALL(getpid),
	CALL(exit), CALL(exit_group), CALL(restart_syscall),
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(mlock), CALL(mlock2), CALL(munlock),
	CALL(clock_gettime), CALL(clock_nanosleep), CALL(nanosleep), CALL(gettimeofday),
	CALL(getrandom), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn),
	CALL(sigaltstack), CALL(prlimit64), CALL(getrusage), CALL(sysinfo), CALL(uname),
	CALL(geteuid), CALL(getuid), CALL(getegid), CALL(getgid),
};

static const int vault_calls[] = {
	CALL(accept4), CALL(getsockopt), CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_ctl),
	CALL(memfd_secret), CALL(memfd_create), CALL(epoll_create1), CALL(eventfd2),
};

/* The keeper opens files; Landlock holds it inside its directory. */
static const int keeper_calls[] = {
	CALL(openat), CALL(open), CALL(stat), CALL(lstat), CALL(access), CALL(faccessat), CALL(unlink),
	CALL(unlinkat), CALL(renameat), CALL(rename), CALL(mkdirat), CALL(getdents64), CALL(dup),
	CALL(fchmod), CALL(fchown), CALL(readlink), CALL(readlinkat), CALL(getcwd), CALL(umask),
	CALL(fallocate), CALL(statx), CALL(pwritev), CALL(preadv), CALL(fstatfs), CALL(newfstatat),
	CALL(setpriority), CALL(dup3), CALL(fadvise64),
};

static bool allow(scmp_filter_ctx f, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i] >= 0 && seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0) != 0)
			return false;
	return true;
}

/* Calls that depend on their arguments: no executable memory is made, a clone
 * makes a thread and nothing else. clone3's argument cannot be looked at; glibc
 * falls back to clone. */
struct careful {
	int call;
	struct scmp_arg_cmp arg;
};

static bool allow_with_care(scmp_filter_ctx f)
{
	const struct careful rows[] = {
		{ CALL(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
		{ CALL(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
		{ CALL(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD) },
		{ CALL(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME) },
		{ CALL(prctl), SCMP_A0(SCMP_CMP_EQ, 0x53564d41 /* PR_SET_VMA: names of mappings */) },
		{ CALL(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()) }, /* abort(3) */
		{ CALL(prlimit64), SCMP_A0(SCMP_CMP_EQ, 0) },
		/* fstat(3) */
		{ CALL(newfstatat), SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].call >= 0 &&
		    seccomp_rule_add(f, SCMP_ACT_ALLOW, rows[i].call, 1, rows[i].arg) != 0)
			return false;
	/* A thread of the caller's lowers its own priority: hsm/lowly.c. */
	if (seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(setpriority), 3, SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS),
		    SCMP_A1(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 10)) != 0)
		return false;
	return seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0) == 0;
}

enum hf_err sandbox_calls(enum sandbox_role role)
{
	scmp_filter_ctx f = seccomp_init(SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
	bool ok = f != NULL && seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
		  seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0;

	if (!SANITIZED) {
		ok = ok && allow(f, common_calls, sizeof(common_calls) / sizeof(int)) &&
		     allow_with_care(f);
		if (role == SANDBOX_VAULT)
			ok = ok && allow(f, vault_calls, sizeof(vault_calls) / sizeof(int));
		else
			ok = ok && allow(f, keeper_calls, sizeof(keeper_calls) / sizeof(int));
	}
	ok = ok && seccomp_load(f) == 0;
	seccomp_release(f);
	if (!ok)
		log_error("sandbox: the seccomp filter could not be put in force");
	return ok ? HF_OK : HF_E_INTERNAL;
}
