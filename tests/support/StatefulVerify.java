// StatefulVerify.java: BouncyCastle's own code checks signatures of HSS, XMSS and XMSS^MT.
// Lines of standard input: kind, public key, message, signature; the last three in hexadecimal.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HexFormat;

import org.bouncycastle.pqc.crypto.MessageSigner;
import org.bouncycastle.pqc.crypto.lms.HSSPublicKeyParameters;
import org.bouncycastle.pqc.crypto.lms.HSSSigner;
import org.bouncycastle.pqc.crypto.xmss.XMSSMTParameters;
import org.bouncycastle.pqc.crypto.xmss.XMSSMTPublicKeyParameters;
import org.bouncycastle.pqc.crypto.xmss.XMSSMTSigner;
import org.bouncycastle.pqc.crypto.xmss.XMSSParameters;
import org.bouncycastle.pqc.crypto.xmss.XMSSPublicKeyParameters;
import org.bouncycastle.pqc.crypto.xmss.XMSSSigner;
import org.bouncycastle.crypto.CipherParameters;

public class StatefulVerify {
    static int oid(byte[] pub) {
        return pub[0] << 24 | (pub[1] & 255) << 16 | (pub[2] & 255) << 8 | (pub[3] & 255);
    }

    static CipherParameters key(String kind, byte[] pub) throws Exception {
        switch (kind) {
        case "hss":
            return HSSPublicKeyParameters.getInstance(pub);
        case "xmss":
            return new XMSSPublicKeyParameters.Builder(XMSSParameters.lookupByOID(oid(pub)))
                .withPublicKey(pub).build();
        default:
            return new XMSSMTPublicKeyParameters.Builder(XMSSMTParameters.lookupByOID(oid(pub)))
                .withPublicKey(pub).build();
        }
    }

    // null: this version has no such parameter set
    static CipherParameters known(String kind, byte[] pub) {
        try {
            return key(kind, pub);
        } catch (Exception e) {
            return null;
        }
    }

    static MessageSigner signer(String kind) {
        return kind.equals("hss") ? new HSSSigner() : kind.equals("xmss") ? new XMSSSigner() : new XMSSMTSigner();
    }

    static boolean verify(MessageSigner v, byte[] message, byte[] signature) {
        try {
            return v.verifySignature(message, signature);
        } catch (RuntimeException e) { // what cannot be parsed
            return false;
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        HexFormat hex = HexFormat.of();
        int count = 0, unknown = 0;
        for (String line = in.readLine(); line != null; line = in.readLine(), count++) {
            String[] word = line.split(" ");
            byte[] message = hex.parseHex(word[2]), signature = hex.parseHex(word[3]);
            MessageSigner v = signer(word[0]);
            CipherParameters key = known(word[0], hex.parseHex(word[1]));
            if (key == null) {
                unknown++;
                continue;
            }
            v.init(false, key);
            if (!verify(v, message, signature)) {
                System.out.println("line " + (count + 1) + ": refused");
                System.exit(1);
            }
            signature[signature.length / 2] ^= 1;
            if (verify(v, message, signature)) {
                System.out.println("line " + (count + 1) + ": accepted though altered");
                System.exit(1);
            }
        }
        System.out.println((count - unknown) + " signatures verified, " + unknown + " of sets that it does not know");
    }
}
