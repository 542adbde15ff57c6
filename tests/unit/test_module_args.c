/* What the module decides without a daemon: initialization, missing arguments,
 * the rules of lengths and attributes, text, interfaces, fork. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "module.h"
#include "text.h"

static CK_BYTE bytes[32];
static CK_ULONG number;

static int initialize(void **state)
{
	(void)state;
	return C_Initialize(NULL) == CKR_OK ? 0 : -1;
}

static int finalize(void **state)
{
	(void)state;
	return C_Finalize(NULL) == CKR_OK ? 0 : -1;
}

/* --- C_Initialize --------------------------------------------------------- */

static CK_RV no_create(CK_VOID_PTR_PTR m)
{
	(void)m;
	return CKR_OK;
}

static CK_RV no_lock(CK_VOID_PTR m)
{
	(void)m;
	return CKR_OK;
}

static void initialize_args_follow_the_standard(void **state)
{
	static const struct {
		const char *why;
		CK_C_INITIALIZE_ARGS args;
		CK_RV rv;
	} cases[] = {
		{ "all empty", { 0 }, CKR_OK },
		{ "the system's locks", { .flags = CKF_OS_LOCKING_OK }, CKR_OK },
		{ "own locks", { no_create, no_lock, no_lock, no_lock, 0, NULL }, CKR_OK },
		{ "own locks or the system's",
			{ no_create, no_lock, no_lock, no_lock, CKF_OS_LOCKING_OK, NULL }, CKR_OK },
		{ "no threads of ours", { .flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS }, CKR_OK },
		{ "some locks only", { .CreateMutex = no_create }, CKR_ARGUMENTS_BAD },
		{ "reserved", { .pReserved = bytes }, CKR_ARGUMENTS_BAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CK_C_INITIALIZE_ARGS a = cases[i].args;

		print_message("%s\n", cases[i].why);
		assert_int_equal(C_Initialize(&a), cases[i].rv);
		if (cases[i].rv == CKR_OK)
			assert_int_equal(C_Finalize(NULL), CKR_OK);
	}
}

static void initializing_twice_and_finalizing_twice_is_refused(void **state)
{
	(void)state;
	assert_int_equal(C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
	assert_int_equal(C_Initialize(NULL), CKR_OK);
	assert_int_equal(C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
	assert_int_equal(C_Finalize(bytes), CKR_ARGUMENTS_BAD);
	assert_int_equal(C_Finalize(NULL), CKR_OK);
	assert_int_equal(C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
}

/* Every function is called with nothing but zeros. That the prototypes differ
 * does not matter to a function that looks at its arguments only afterwards. */
typedef CK_RV (*any_function)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG,
	CK_ULONG, CK_ULONG, CK_ULONG);
#define ANY(name, args) { #name, (any_function)(void (*)(void))name },

static const struct {
	const char *name;
	any_function call;
} functions[] = { CK_FUNCTIONS_2_40(ANY) CK_FUNCTIONS_3_0(ANY) CK_FUNCTIONS_3_2(ANY) };

static bool needs_no_initialize(const char *name)
{
	return strcmp(name, "C_Initialize") == 0 || strcmp(name, "C_GetFunctionList") == 0 ||
	       strcmp(name, "C_GetInterfaceList") == 0 || strcmp(name, "C_GetInterface") == 0;
}

static void every_other_function_wants_initialize_first(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (needs_no_initialize(functions[i].name))
			continue;
		print_message("%s\n", functions[i].name);
		assert_int_equal(functions[i].call(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
			CKR_CRYPTOKI_NOT_INITIALIZED);
	}
}

/* --- arguments ------------------------------------------------------------ */

static void a_missing_pointer_is_an_argument_error(void **state)
{
	const CK_RV bad = CKR_ARGUMENTS_BAD;
	CK_MECHANISM m = { CKM_SHA256, NULL, 0 };
	CK_ATTRIBUTE t = { CKA_LABEL, NULL, 3 };

	(void)state;
	assert_int_equal(C_GetInfo(NULL), bad);
	assert_int_equal(C_GetFunctionList(NULL), bad);
	assert_int_equal(C_GetInterface(NULL, NULL, NULL, 0), bad);
	assert_int_equal(C_GetInterfaceList(NULL, NULL), bad);
	assert_int_equal(C_GetSlotList(0, NULL, NULL), bad);
	assert_int_equal(C_GetSlotInfo(0, NULL), bad);
	assert_int_equal(C_GetTokenInfo(0, NULL), bad);
	assert_int_equal(C_GetMechanismList(0, NULL, NULL), bad);
	assert_int_equal(C_GetMechanismInfo(0, 0, NULL), bad);
	assert_int_equal(C_InitToken(0, NULL, 4, bytes), bad);
	assert_int_equal(C_InitToken(0, bytes, 4, NULL), bad);
	assert_int_equal(C_InitPIN(1, NULL, 4), bad);
	assert_int_equal(C_SetPIN(1, NULL, 4, bytes, 4), bad);
	assert_int_equal(C_SetPIN(1, bytes, 4, NULL, 4), bad);
	assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, NULL), bad);
	assert_int_equal(C_GetSessionInfo(1, NULL), bad);
	assert_int_equal(C_GetOperationState(1, bytes, NULL), bad);
	assert_int_equal(C_SetOperationState(1, NULL, 4, 0, 0), bad);
	assert_int_equal(C_Login(1, CKU_USER, NULL, 4), bad);
	assert_int_equal(C_LoginUser(1, CKU_USER, bytes, 4, NULL, 4), bad);
	assert_int_equal(C_CreateObject(1, NULL, 0, NULL), bad);
	assert_int_equal(C_CreateObject(1, NULL, 1, &number), bad);
	assert_int_equal(C_CreateObject(1, &t, 1, &number), bad);
	assert_int_equal(C_CopyObject(1, 1, NULL, 0, NULL), bad);
	assert_int_equal(C_GetObjectSize(1, 1, NULL), bad);
	assert_int_equal(C_GetAttributeValue(1, 1, NULL, 1), bad);
	assert_int_equal(C_SetAttributeValue(1, 1, NULL, 1), bad);
	assert_int_equal(C_FindObjects(1, NULL, 1, &number), bad);
	assert_int_equal(C_FindObjects(1, &number, 1, NULL), bad);
	assert_int_equal(C_Encrypt(1, NULL, 1, bytes, &number), bad);
	assert_int_equal(C_Encrypt(1, bytes, 1, bytes, NULL), bad);
	assert_int_equal(C_EncryptUpdate(1, NULL, 1, bytes, &number), bad);
	assert_int_equal(C_EncryptFinal(1, bytes, NULL), bad);
	assert_int_equal(C_Decrypt(1, NULL, 1, bytes, &number), bad);
	assert_int_equal(C_DecryptUpdate(1, bytes, 1, bytes, NULL), bad);
	assert_int_equal(C_DecryptFinal(1, bytes, NULL), bad);
	assert_int_equal(C_Digest(1, bytes, 1, bytes, NULL), bad);
	assert_int_equal(C_DigestUpdate(1, NULL, 1), bad);
	assert_int_equal(C_DigestFinal(1, bytes, NULL), bad);
	assert_int_equal(C_Sign(1, NULL, 1, bytes, &number), bad);
	assert_int_equal(C_SignUpdate(1, NULL, 1), bad);
	assert_int_equal(C_SignFinal(1, bytes, NULL), bad);
	assert_int_equal(C_SignRecover(1, bytes, 1, bytes, NULL), bad);
	assert_int_equal(C_Verify(1, NULL, 1, bytes, 1), bad);
	assert_int_equal(C_Verify(1, bytes, 1, NULL, 1), bad);
	assert_int_equal(C_VerifyUpdate(1, NULL, 1), bad);
	assert_int_equal(C_VerifyFinal(1, NULL, 1), bad);
	assert_int_equal(C_VerifyRecover(1, bytes, 1, bytes, NULL), bad);
	assert_int_equal(C_DigestEncryptUpdate(1, NULL, 1, bytes, &number), bad);
	assert_int_equal(C_DecryptVerifyUpdate(1, bytes, 1, bytes, NULL), bad);
	assert_int_equal(C_GenerateKey(1, NULL, NULL, 0, &number), bad);
	assert_int_equal(C_GenerateKey(1, &m, NULL, 0, NULL), bad);
	assert_int_equal(C_GenerateKeyPair(1, &m, NULL, 0, NULL, 0, &number, NULL), bad);
	assert_int_equal(C_GenerateKeyPair(1, &m, NULL, 0, NULL, 0, NULL, &number), bad);
	assert_int_equal(C_WrapKey(1, &m, 1, 1, bytes, NULL), bad);
	assert_int_equal(C_UnwrapKey(1, &m, 1, NULL, 1, NULL, 0, &number), bad);
	assert_int_equal(C_UnwrapKey(1, &m, 1, bytes, 1, NULL, 0, NULL), bad);
	assert_int_equal(C_DeriveKey(1, &m, 1, NULL, 0, NULL), bad);
	assert_int_equal(C_EncapsulateKey(1, &m, 1, NULL, 0, bytes, NULL, &number), bad);
	assert_int_equal(C_EncapsulateKey(1, &m, 1, NULL, 0, bytes, &number, NULL), bad);
	assert_int_equal(C_DecapsulateKey(1, &m, 1, NULL, 0, bytes, 1, NULL), bad);
	assert_int_equal(C_EncryptMessage(1, bytes, 48, NULL, 1, bytes, 1, bytes, &number), bad);
	assert_int_equal(C_EncryptMessage(1, bytes, 48, NULL, 0, bytes, 1, bytes, NULL), bad);
	assert_int_equal(C_EncryptMessageBegin(1, bytes, 48, NULL, 1), bad);
	assert_int_equal(C_EncryptMessageNext(1, bytes, 48, NULL, 1, bytes, &number, 0), bad);
	assert_int_equal(C_EncryptMessageNext(1, bytes, 48, bytes, 1, bytes, NULL, 0), bad);
	assert_int_equal(C_DecryptMessage(1, bytes, 48, NULL, 0, NULL, 1, bytes, &number), bad);
	assert_int_equal(C_DecryptMessageBegin(1, bytes, 48, NULL, 1), bad);
	assert_int_equal(C_DecryptMessageNext(1, bytes, 48, bytes, 1, bytes, NULL, 0), bad);
	assert_int_equal(C_SignMessage(1, NULL, 0, NULL, 1, bytes, &number), bad);
	assert_int_equal(C_SignMessage(1, NULL, 0, bytes, 1, bytes, NULL), bad);
	assert_int_equal(C_SignMessageBegin(1, NULL, 1), bad);
	assert_int_equal(C_SignMessageNext(1, NULL, 0, NULL, 1, NULL, NULL), bad);
	assert_int_equal(C_VerifyMessage(1, NULL, 0, bytes, 1, NULL, 1), bad);
	assert_int_equal(C_VerifyMessageBegin(1, NULL, 1), bad);
	assert_int_equal(C_VerifyMessageNext(1, NULL, 0, bytes, 1, NULL, 1), bad);
	assert_int_equal(C_WrapKeyAuthenticated(1, NULL, 1, 1, NULL, 0, bytes, &number), bad);
	assert_int_equal(C_WrapKeyAuthenticated(1, &m, 1, 1, NULL, 1, bytes, &number), bad);
	assert_int_equal(C_WrapKeyAuthenticated(1, &m, 1, 1, NULL, 0, bytes, NULL), bad);
	assert_int_equal(C_UnwrapKeyAuthenticated(1, &m, 1, NULL, 1, NULL, 0, NULL, 0, &number), bad);
	assert_int_equal(C_UnwrapKeyAuthenticated(1, &m, 1, bytes, 1, NULL, 0, NULL, 0, NULL), bad);
	assert_int_equal(C_SeedRandom(1, NULL, 1), bad);
	assert_int_equal(C_GenerateRandom(1, NULL, 1), bad);
	assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL), bad);
	assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &number, bytes), bad);
}

static void an_unknown_session_is_refused(void **state)
{
	const CK_RV bad = CKR_SESSION_HANDLE_INVALID;
	CK_SESSION_INFO info;
	CK_MECHANISM m = { CKM_SHA256, NULL, 0 };

	(void)state;
	assert_int_equal(C_CloseSession(9), bad);
	assert_int_equal(C_GetSessionInfo(9, &info), bad);
	assert_int_equal(C_Login(9, CKU_USER, bytes, 4), bad);
	assert_int_equal(C_Logout(9), bad);
	assert_int_equal(C_FindObjectsInit(9, NULL, 0), bad);
	assert_int_equal(C_FindObjects(9, &number, 1, &number), bad);
	assert_int_equal(C_FindObjectsFinal(9), bad);
	assert_int_equal(C_DigestInit(9, &m), bad);
	assert_int_equal(C_DigestInit(9, NULL), bad);
	assert_int_equal(C_GenerateRandom(9, bytes, 1), bad);
	assert_int_equal(C_GenerateRandom(9, NULL, 0), bad);
	assert_int_equal(C_SessionCancel(9, CKF_SIGN), bad);
	assert_int_equal(C_GetOperationState(9, NULL, &number), bad);
}

static void numbers_out_of_range_are_refused(void **state)
{
	CK_MECHANISM huge = { 1UL << 40, NULL, 0 }, unknown = { 0x7fffffff, bytes, 4 };
	CK_MECHANISM_INFO info;
	static CK_BYTE pin[2000];

	(void)state;
	assert_int_equal(C_DigestInit(9, &huge), CKR_MECHANISM_INVALID);
	assert_int_equal(C_DigestInit(9, &unknown), CKR_MECHANISM_INVALID);
	assert_int_equal(C_GetMechanismInfo(0, 1UL << 40, &info), CKR_MECHANISM_INVALID);
	assert_int_equal(C_Login(9, 1UL << 40, bytes, 4), CKR_USER_TYPE_INVALID);
	assert_int_equal(C_Login(9, CKU_USER, pin, sizeof(pin)), CKR_PIN_INCORRECT);
	assert_int_equal(C_InitPIN(9, pin, sizeof(pin)), CKR_PIN_LEN_RANGE);
	assert_int_equal(C_OpenSession(0, 0, NULL, NULL, &number),
		CKR_SESSION_PARALLEL_NOT_SUPPORTED);
}

static void what_is_not_there_says_so(void **state)
{
	(void)state;
	assert_int_equal(C_GetFunctionStatus(1), CKR_FUNCTION_NOT_PARALLEL);
	assert_int_equal(C_CancelFunction(1), CKR_FUNCTION_NOT_PARALLEL);
	assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &number, NULL), CKR_NO_EVENT);
}

static void without_a_daemon_a_call_is_a_device_error(void **state)
{
	CK_ULONG n = 0;

	(void)state;
	assert_int_equal(C_GetSlotList(CK_TRUE, NULL, &n), CKR_DEVICE_ERROR);
}

/* --- interfaces ----------------------------------------------------------- */

static void each_interface_tells_its_version(void **state)
{
	static CK_UTF8CHAR name[] = "PKCS 11", other[] = "Vendor";
	static const CK_VERSION versions[] = { { 2, 40 }, { 3, 0 }, { 3, 2 } };
	CK_INTERFACE_PTR i;
	CK_INFO info;

	(void)state;
	for (size_t v = 0; v < 3; v++) {
		CK_VERSION want = versions[v];

		assert_int_equal(C_GetInterface(name, &want, &i, 0), CKR_OK);
		assert_memory_equal(i->pFunctionList, &want, sizeof(want));
		assert_int_equal(((CK_FUNCTION_LIST *)i->pFunctionList)->C_GetInfo(&info), CKR_OK);
		assert_memory_equal(&info.cryptokiVersion, &want, sizeof(want));
	}
	assert_int_equal(C_GetInterface(NULL, NULL, &i, 0), CKR_OK);
	assert_int_equal(C_GetInterface(other, NULL, &i, 0), CKR_FUNCTION_FAILED);
	assert_int_equal(C_GetInterface(name, NULL, &i, CKF_INTERFACE_FORK_SAFE),
		CKR_FUNCTION_FAILED);
}

static void the_interface_list_follows_the_length_rules(void **state)
{
	CK_INTERFACE list[3];
	CK_ULONG n = 0;

	(void)state;
	assert_int_equal(C_GetInterfaceList(NULL, &n), CKR_OK);
	assert_int_equal(n, 3);
	n = 2;
	assert_int_equal(C_GetInterfaceList(list, &n), CKR_BUFFER_TOO_SMALL);
	assert_int_equal(n, 3);
	assert_int_equal(C_GetInterfaceList(list, &n), CKR_OK);
}

static void no_list_has_a_hole(void **state)
{
	CK_INTERFACE_PTR i;
	CK_FUNCTION_LIST_3_2 l;
	void *p;

	(void)state;
	assert_int_equal(C_GetInterface(NULL, NULL, &i, 0), CKR_OK);
	memcpy(&l, i->pFunctionList, sizeof(l));
	for (size_t at = offsetof(CK_FUNCTION_LIST_3_2, C_Initialize); at < sizeof(l);
	     at += sizeof(p)) {
		memcpy(&p, (const char *)&l + at, sizeof(p));
		assert_non_null(p);
	}
}

/* --- lengths, text -------------------------------------------------------- */

static void an_answer_goes_by_the_rules_of_5_2(void **state)
{
	struct slice out = SLICE_STR("12345678");
	CK_ULONG len = 0;

	(void)state;
	assert_int_equal(output_max(NULL, &len), WIRE_NO_OUTPUT);
	assert_int_equal(output_give(8, SLICE_NONE, NULL, &len), CKR_OK);
	assert_int_equal(len, 8);
	len = 7;
	assert_int_equal(output_max(bytes, &len), 7);
	assert_int_equal(output_give(8, SLICE_NONE, bytes, &len), CKR_BUFFER_TOO_SMALL);
	assert_int_equal(len, 8);
	len = 32;
	assert_int_equal(output_give(8, out, bytes, &len), CKR_OK);
	assert_int_equal(len, 8);
	assert_memory_equal(bytes, "12345678", 8);
	len = ~0UL;
	assert_int_equal(output_max(bytes, &len), WIRE_NO_OUTPUT - 1);
}

static void text_is_padded_and_never_cut_in_a_character(void **state)
{
	uint8_t out[8];

	(void)state;
	text_pad(out, 8, SLICE_STR("ab"));
	assert_memory_equal(out, "ab      ", 8);
	text_pad(out, 8, SLICE_STR("abcdefgh"));
	assert_memory_equal(out, "abcdefgh", 8);
	text_pad(out, 8, SLICE_STR("abcdefg\xc3\xa9")); /* é does not fit */
	assert_memory_equal(out, "abcdefg ", 8);
	text_pad(out, 8, SLICE_STR("abcdef\xc3\xa9"));
	assert_memory_equal(out, "abcdef\xc3\xa9", 8);
	assert_int_equal(text_trim((const uint8_t *)"ab  ", 4).n, 2);
	assert_int_equal(text_trim((const uint8_t *)"a\0b ", 4).n, 1);
	assert_int_equal(text_trim((const uint8_t *)"    ", 4).n, 0);
}

/* --- attributes ----------------------------------------------------------- */

static void a_template_travels_as_the_list_says(void **state)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = 7;
	CK_MECHANISM_TYPE mechs[] = { 1, 2 };
	CK_ATTRIBUTE inner[] = { { CKA_TOKEN, &yes, 1 } };
	CK_ATTRIBUTE t[] = {
		{ CKA_CLASS, &class, sizeof(class) }, { CKA_TOKEN, &yes, 1 },
		{ CKA_LABEL, bytes, 0 }, { CKA_START_DATE, NULL, 0 },
		{ CKA_ALLOWED_MECHANISMS, mechs, sizeof(mechs) },
		{ CKA_WRAP_TEMPLATE, inner, sizeof(inner) },
	};
	static const uint8_t nested[] = { 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1 };
	struct arena a = { 0 };
	struct attr_list l;

	(void)state;
	assert_int_equal(template_encode(t, 6, &a, &l), HF_OK);
	assert_int_equal(l.n, 6);
	assert_int_equal(l.v[0].value.n, 8);
	assert_int_equal(get_u64(l.v[0].value.p), CKO_DATA);
	assert_int_equal(l.v[1].value.n, 1);
	assert_int_equal(l.v[1].value.p[0], 1); /* any true is 1 */
	assert_int_equal(l.v[2].value.n, 0);
	assert_int_equal(l.v[3].value.n, 0);
	assert_int_equal(get_u64(l.v[4].value.p + 8), 2);
	assert_true(slice_eq(l.v[5].value, SLICE_OF(nested)));
	arena_done(&a);
}

static void a_malformed_template_is_refused(void **state)
{
	static CK_ULONG value;
	static CK_ATTRIBUTE loop[1] = { { CKA_WRAP_TEMPLATE, loop, sizeof(loop) } };
	static const struct {
		const char *why;
		CK_ATTRIBUTE t;
		enum hf_err e;
	} cases[] = {
		{ "a boolean of 8 bytes", { CKA_TOKEN, &value, 8 }, HF_E_ATTR_VALUE },
		{ "an empty boolean", { CKA_TOKEN, NULL, 0 }, HF_E_ATTR_VALUE },
		{ "a number of 4 bytes", { CKA_CLASS, &value, 4 }, HF_E_ATTR_VALUE },
		{ "an empty number", { CKA_CLASS, NULL, 0 }, HF_E_ATTR_VALUE },
		{ "a date of 3 bytes", { CKA_END_DATE, &value, 3 }, HF_E_ATTR_VALUE },
		{ "half a mechanism", { CKA_ALLOWED_MECHANISMS, &value, 4 }, HF_E_ATTR_VALUE },
		{ "half an attribute", { CKA_WRAP_TEMPLATE, &value, 8 }, HF_E_ATTR_VALUE },
		{ "a template in itself", { CKA_WRAP_TEMPLATE, loop, sizeof(loop) }, HF_E_ATTR_VALUE },
		{ "NULL with a length", { CKA_LABEL, NULL, 1 }, HF_E_ARGUMENTS },
		{ "unavailable", { CKA_LABEL, &value, CK_UNAVAILABLE_INFORMATION }, HF_E_ATTR_VALUE },
		{ "a type beyond 32 bits", { 1UL << 33, &value, 8 }, HF_E_ATTR_TYPE },
	};
	struct arena a = { 0 };
	struct attr_list l;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].why);
		assert_int_equal(template_encode(&cases[i].t, 1, &a, &l), cases[i].e);
	}
	assert_int_equal(template_encode(loop, TEMPLATE_MAX + 1, &a, &l), HF_E_ARGUMENTS);
	arena_done(&a);
}

static void all_attributes_are_answered_and_the_worst_is_told(void **state)
{
	static const uint8_t class[8] = { 0, 0, 0, 0, 0, 0, 0, 3 };
	const struct got got[] = {
		{ CKA_VALUE, ATTR_SENSITIVE, SLICE_NONE },
		{ CKA_MODULUS, ATTR_NO_SUCH, SLICE_NONE },
		{ CKA_LABEL, ATTR_FOUND, SLICE_STR("label") },
		{ CKA_CLASS, ATTR_FOUND, SLICE_OF(class) },
	};
	CK_OBJECT_CLASS c = 0;
	CK_ATTRIBUTE t[] = {
		{ CKA_VALUE, bytes, 32 }, { CKA_MODULUS, bytes, 32 }, { CKA_LABEL, bytes, 2 },
		{ CKA_CLASS, &c, sizeof(c) },
	};

	(void)state;
	assert_int_equal(template_fill(t, 4, (struct got_list){ got, 4 }),
		CKR_ATTRIBUTE_SENSITIVE);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(t[i].ulValueLen, CK_UNAVAILABLE_INFORMATION);
	assert_int_equal(t[3].ulValueLen, sizeof(c));
	assert_int_equal(c, 3);
	assert_int_equal(template_fill(t + 1, 3, (struct got_list){ got + 1, 3 }),
		CKR_ATTRIBUTE_TYPE_INVALID);
	t[2].ulValueLen = 2;
	assert_int_equal(template_fill(t + 2, 2, (struct got_list){ got + 2, 2 }),
		CKR_BUFFER_TOO_SMALL);
	t[2].pValue = NULL;
	assert_int_equal(template_fill(t + 2, 2, (struct got_list){ got + 2, 2 }), CKR_OK);
	assert_int_equal(t[2].ulValueLen, 5);
}

static void a_template_in_an_attribute_comes_back_in_two_steps(void **state)
{
	static const uint8_t nested[] = { 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 3, 0, 0,
		0, 2, 'h', 'i' };
	const struct got got = { CKA_WRAP_TEMPLATE, ATTR_FOUND, SLICE_OF(nested) };
	const struct got_list list = { &got, 1 };
	CK_ATTRIBUTE inner[2] = { { 0 } };
	CK_ATTRIBUTE t = { CKA_WRAP_TEMPLATE, NULL, 0 };
	CK_BBOOL token = 0;

	(void)state;
	assert_int_equal(template_fill(&t, 1, list), CKR_OK);
	assert_int_equal(t.ulValueLen, sizeof(inner));
	t.pValue = inner;
	assert_int_equal(template_fill(&t, 1, list), CKR_OK);
	assert_int_equal(inner[0].type, CKA_TOKEN);
	assert_int_equal(inner[1].type, CKA_LABEL);
	assert_int_equal(inner[1].ulValueLen, 2);
	inner[0].pValue = &token;
	inner[1].pValue = bytes;
	assert_int_equal(template_fill(&t, 1, list), CKR_OK);
	assert_int_equal(token, CK_TRUE);
	assert_memory_equal(bytes, "hi", 2);
	inner[1].ulValueLen = 1;
	assert_int_equal(template_fill(&t, 1, list), CKR_BUFFER_TOO_SMALL);
}

/* --- fork, waiting -------------------------------------------------------- */

static void a_forked_child_starts_uninitialized(void **state)
{
	pid_t child = fork();
	CK_INFO info;
	int status;

	(void)state;
	if (child == 0) {
		bool good = C_GetInfo(&info) == CKR_CRYPTOKI_NOT_INITIALIZED &&
			    C_Initialize(NULL) == CKR_OK && C_GetInfo(&info) == CKR_OK &&
			    C_Finalize(NULL) == CKR_OK;

		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(C_GetInfo(&info), CKR_OK);
}

static void *wait_for_event(void *arg)
{
	CK_SLOT_ID slot;

	(void)arg;
	return (void *)C_WaitForSlotEvent(0, &slot, NULL);
}

static void waiting_for_an_event_ends_with_finalize(void **state)
{
	pthread_t t;
	void *rv;

	(void)state;
	assert_int_equal(C_Initialize(NULL), CKR_OK);
	assert_int_equal(pthread_create(&t, NULL, wait_for_event, NULL), 0);
	(void)usleep(50000);
	assert_int_equal(C_Finalize(NULL), CKR_OK);
	assert_int_equal(pthread_join(t, &rv), 0);
	assert_int_equal((CK_RV)rv, CKR_CRYPTOKI_NOT_INITIALIZED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, initialize, finalize)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initialize_args_follow_the_standard),
		cmocka_unit_test(initializing_twice_and_finalizing_twice_is_refused),
		cmocka_unit_test(every_other_function_wants_initialize_first),
		T(a_missing_pointer_is_an_argument_error),
		T(an_unknown_session_is_refused),
		T(numbers_out_of_range_are_refused),
		T(what_is_not_there_says_so),
		T(without_a_daemon_a_call_is_a_device_error),
		T(each_interface_tells_its_version),
		cmocka_unit_test(the_interface_list_follows_the_length_rules),
		cmocka_unit_test(no_list_has_a_hole),
		cmocka_unit_test(an_answer_goes_by_the_rules_of_5_2),
		cmocka_unit_test(text_is_padded_and_never_cut_in_a_character),
		cmocka_unit_test(a_template_travels_as_the_list_says),
		cmocka_unit_test(a_malformed_template_is_refused),
		cmocka_unit_test(all_attributes_are_answered_and_the_worst_is_told),
		cmocka_unit_test(a_template_in_an_attribute_comes_back_in_two_steps),
		T(a_forked_child_starts_uninitialized),
		cmocka_unit_test(waiting_for_an_event_ends_with_finalize),
	};

	/* No daemon, and none to be had. */
	if (setenv("HOLDFAST_HOME", "/proc/nonexistent", 1) != 0 ||
	    setenv("HOLDFASTD", "/proc/nonexistent/holdfastd", 1) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
