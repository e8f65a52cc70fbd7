// Made by Tests/Reference/make_unicode_tables.py with tokenizers 0.23.3. Not edited by hand.

/// What the reference does with each Unicode scalar.
///
/// Numbers are in base 36. An entry begins with the gap since the end of the one before it; in a set there follows the
/// number of scalars in the run.
enum UnicodeData {
    /// Dropped when text is cleaned.
    static let control = """
        0,9 2,2 1,i 2n,x d,1 11u,6 m,1 5c,1 1d,1 3cu,1 1ks,5 q,5 1d,5 1,a 11u8,4xs 16n,1 6x,3 1,1 3b3,1 xya,4 43z,8
        h406,1 u,2o 1egw,1eke 2,1eke
        """

    /// Made a blank when text is cleaned.
    static let blank = """
        9,2 2,1 i,1 3j,1 4bj,1 1vj,b t,2 5,1 1b,1 334,1
        """

    /// What ends a word and is no part of any.
    static let space = """
        9,5 i,1 2s,1 q,1 4bj,1 1vj,b t,2 5,1 1b,1 334,1
        """

    /// What is a word of its own.
    static let punctuation = """
        x,f a,7 q,6 q,4 y,1 5,1 3,1 a,2 3,1 3,1 ji,1 8,1 cy,6 15,2 1f,1 1,1 2,1 2,1 18,2 k,2 1,2 d,1 2,2 22,4 2u,1
        17,e 6h,3 1i,f v,1 79,2 a,1 an,1 lf,1 2i,1 a,2 4o,f 1,1 11,4 1z,1 22,5 4,2 33,6 4r,1 h0,9 47,1 h8,2 18,2 26,3
        1z,2 4d,3 1,3 11,b 8p,2 60,2 3k,7 1,6 4s,7 4b,4 1n,5 1q,2 1s,8 b,1 n0,o 8,k 1,d 1,c u,2 e,2 hl,4 t,2 u5,e 27,2
        v,a b7,m 1r,4 w,2 l7,4 1,2 34,1 3z,1b 1,j ce,3 4,a 2,c g,1 c,1 2q,1 2i,1 mwy,2 7h,3 2r,1 a,1 37,6 ak,4 2e,2
        14,3 1,1 1d,2 1b,1 2p,d g,2 3g,4 3i,2 g,2 6x,1 g2a,2 5s,a m,z 1,e 1,1 4,1 1,2 45,3 1,6 1,4 a,2 3,2 q,3 1,1 r,1
        1,1 1,7 be,3 ik,1 1c,1 bi,1 kn,1 5j,1 v,1 7k,9 12,1 34,7 1u,7 2h,4 x6,7 31,2 1,4 3i,4 1c,2 27,5 3,1 d,1 1,3
        2g,6 2z,1 f0,1 6y,n 2x,3 6w,3 2lt,5 dtl,2 3p,1 1t,5 8,1 g2i,1 5wn,5
        """

    /// What gets a blank on either side.
    static let ideograph = """
        a9s,534 1s,g74 hkw,e8 1fk0,wyo w,3ds 74,49c 85s,f4
        """

    /// Dropped where accents are stripped.
    static let mark = """
        lc,34 7n,5 7d,19 1,1 1,2 1,2 1,1 20,b 1c,l g,1 2t,7 2,6 2,2 1,4 z,1 u,r 2j,b 1m,9 y,4 1,9 1,3 1,5 17,3 3r,w
        1j,1 1,1 4,8 4,1 3,7 a,2 t,1 1m,1 4,4 8,1 k,2 t,2 1l,1 4,2 4,2 2,3 3,1 u,2 3,1 b,2 1l,1 4,5 1,2 4,1 k,2 t,1
        1m,1 2,1 1,4 8,1 8,1 b,2 u,1 1p,1 c,1 1e,1 1p,3 5,3 1,4 7,2 b,2 t,1 1m,1 2,1 6,1 5,2 k,2 t,1 1r,4 8,1 k,2 2u,1
        7,3 1,1 2i,1 2,7 c,8 2q,1 2,6 1,2 b,6 22,2 r,1 1,1 1,1 1j,e 1,5 1,2 5,b 1,10 9,1 2u,4 1,6 1,2 2,2 p,2 4,3 g,4
        d,1 2,2 6,1 f,1 jj,3 qa,3 t,3 t,2 u,2 1s,2 1,7 8,1 2,b 9,1 19,3 4b,1 3a,3 4,2 9,1 6,3 63,2 2,1 1m,1 1,7 1,1
        1,1 2,8 6,a 2,1 1c,e 1u,4 1c,1 1,5 1,1 5,1 14,9 c,2 w,4 2,2 1,3 1k,1 1,2 3,1 1,3 1m,8 2,2 48,3 1,d 1,7 4,1 6,1
        3,2 5i,1i 6,4 k0,d 4,1 3,c 2da,3 3x,1 2o,w fe,4 2z,2 n9w,1 4,a w,2 28,2 7k,1 3,1 4,1 p,2 4d,1 r,i 1g,8 p,b
        1a,3 1c,1 2,4 2,1 14,1 1v,6 2,2 2,2 c,1 8,1 1b,1 1f,1 1,3 2,2 5,2 1,1 16,2 8,1 6m,1 2,1 4,1 fn4,1 kh,g g,g
        r1,1 6a,1 45,5 1ae,3 1,2 5,4 14,3 4,1 4l,2 10a,1 1i,f 1k,3 1d,4 2,2 1x,3 10,5 1,8 1q,1 c,2 1g,9 b,3 2q,3 2,1
        1,2 4n,1 3,8 l,2 1m,1 3,1 11,7 3,5 8u,6 1,1 4,2 1,2 6m,4 6,2 1,2 r,2 2d,8 2,1 1,2 2y,1 1,1 2,6 1,1 2t,3 2,4
        1,5 gjo,5 1n,7 uw,4 f7u,2 43s,3 h,8 2,7 u,4 44,3 1iz,1j 4,1e 8,1 e,1 m,5 1,f 2sg,7 gzl5,6o
        """

    /// Letters of byte-level pre-tokenisation.
    static let byteLevelLetter = """
        1t,q 6,q 1b,1 a,1 4,1 5,n 1,v 1,cq 4,c e,5 7,1 1,1 3l,5 1,2 2,4 1,1 6,1 1,3 1,1 1,k 1,2b 1,3v 8,4m 1,12 2,1
        6,15 1z,r 4,4 19,17 z,2 1,2r 1,1 f,2 7,2 a,3 2,1 g,1 1,u t,2h b,1 o,x 9,2 4,1 5,m 4,1 9,1 3,1 n,p 7,b 5,o 1,6
        h,16 1m,1i 3,1 i,1 7,a f,g 4,8 2,2 2,m 1,7 1,1 3,4 3,1 g,1 d,2 1,3 e,2 a,1 8,6 4,2 2,m 1,7 1,2 1,2 1,2 v,4 1,1
        j,3 g,9 1,3 1,m 1,7 1,2 1,5 3,1 i,1 f,2 n,1 b,8 2,2 2,m 1,7 1,2 1,5 3,1 u,2 1,3 f,1 h,1 1,6 3,3 1,4 3,2 1,1
        1,2 3,2 3,3 3,c m,1 1g,8 1,3 1,n 1,g 3,1 q,3 2,1 2,2 u,1 4,8 1,3 1,n 1,a 1,5 3,1 v,2 1,2 f,2 h,9 1,3 1,15 2,1
        g,1 5,3 8,3 o,6 5,i 3,o 1,9 1,1 2,7 1m,1c 1,2 c,7 1m,2 1,1 1,5 1,o 1,1 1,a 1,2 9,1 2,5 1,1 l,4 w,1 1r,8 1,10
        r,5 37,17 k,1 g,6 4,4 3,1 3,2 7,3 4,d c,1 h,12 1,1 5,1 2,17 1,99 1,4 2,7 1,1 1,4 2,15 1,4 2,x 1,4 2,7 1,1 1,4
        2,f 1,1l 1,4 2,1v 11,g g,2e 2,6 3,h8 2,h 1,q 5,23 6,8 7,i d,j e,i e,d 1,3 f,1g z,1 4,1 1v,2h 7,5 2,y 1,1 5,1y
        a,v 1d,u 2,5 b,18 4,q 1i,n 9,1h 2a,1 2l,1b h,8 1i,u d,2 a,18 q,10 15,3 a,10 2,b 5,17 2,3 15,4 1,6 1,2 3,1 5,5c
        1s,7q 2,6 2,12 2,6 2,8 1,1 1,1 1,1 1,v 2,1h 1,7 1,1 3,3 1,7 3,4 2,6 4,d 5,3 1,7 38,1 d,1 g,d 2t,1 4,1 2,a 1,1
        3,5 6,1 1,1 1,1 1,4 1,b 2,4 5,5 4,1 1g,2 22j,6d 6,4 3,2 c,12 1,1 5,1 2,1k 7,1 g,n 9,7 1,7 1,7 1,7 1,7 1,7 1,7
        1,7 28,1 d1,2 16,5 5,2 4,2e 6,3 1,2i 1,4 5,17 1,2m h,w 1c,g e8,534 1s,h3h 1v,1a 2,7h 3,g a,2 k,1b g,v 2,1y
        1d,9 2,2v 2,1v 2,2 1,1 1,8 l,g 1,3 1,4 1,n t,1g e,1e 1q,6 3,1 1,2 b,s a,n p,t 7,1b s,1 g,5 1,a a,5 1,15 n,3
        1,8 k,n 3,1 3,1e 1,1 3,2 2,5 2,1 1,1 o,3 2,b 7,3 c,6 2,6 2,6 9,7 1,7 1,17 1,e 6,37 t,8mc c,n 4,1d 6is,a6 2,2y
        12,7 c,5 5,1 1,a 1,d 1,5 1,1 1,2 1,2 1,30 x,a3 i,1s 2,1i 14,c 38,5 1,3r 10,q 6,q b,2h 3,6 2,6 2,6 2,3 z,c 1,q
        1,j 1,2 1,f 2,e y,3f at,t 3,1d 1b,w d,k 1,8 6,12 a,u 2,10 4,8 1c,4e i,10 4,10 4,14 8,1g c,b 1,f 1,7 1,2 1,b
        1,f 1,7 1,2 3,1g c,8n 9,m a,8 o,6 1,16 1,9 1x,6 2,1 1,18 1,2 3,1 2,n a,n 9,v 1t,j 1,2 a,m a,q 1y,1k 6,2 1s,1
        f,4 1,3 1,t 16,t 3,t z,8 1,s r,1i a,m a,j d,i 32,21 1j,1f d,1f d,10 12,s 9,n 6y,16 6,2 g,3 1n,t a,1 8,m 16,i
        1a,l r,n c,1h 1l,2 2,1 d,19 w,p q,10 t,1 2,1 8,z 3,1 c,1c e,4 l,1 1,1 z,i 1,p j,2 1r,7 1,1 1,4 1,f 1,a 7,1b
        12,8 2,2 2,m 1,7 1,2 1,5 3,1 i,1 c,5 u,a 1,1 2,1 1,12 1,1 p,1 1,1 18,1h i,4 k,3 u,1c k,2 1,1 54,1b 15,4 10,1c
        k,1 1n,17 d,1 1z,r 11,7 55,18 38,1s v,8 2,1 2,8 1,2 1,o f,1 1,1 2m,8 2,13 g,1 1,1 s,1 a,14 7,1 l,1 b,1a j,1
        i,21 5j,x v,9 1,11 h,1 1d,u 34,7 1,2 1,12 l,1 p,6 1,2 1,w e,1 93,j f,1 1,d 1,y 3g,1 27,pm 6e,5g 218,2p f,ts
        h,6 p,32z 5,g7 5a1,u 1cy,ft 7,v h,27 h,u i,1c g,4 v,l 5,j c0,19 5v,1s 3k,23 5,1 1u,d 1s,2 1,1 s,4qg 8,ye 15,a
        6w7,4 1,7 1,2 1,83 f,1 t,3 2,1 e,4 8,b0 1s4,2z 5,d 3,9 7,a 4me,2d 1,1z 1,2 2,1 2,2 2,4 1,c 1,1 1,7 1,1t 1,4
        2,8 1,7 1,s 1,4 1,5 1,1 3,7 1,9g 2,p 1,p 1,v 1,p 1,v 1,p 1,v 1,p 1,v 1,p 1,8 1f8,v 6,6 79,1q 42,19 a,7 g,1
        8x,u i,18 dg,s 6c,u 2,1 dr,7 1,4 1,2 1,f 1,5h 1n,1w 7,1 xg,4 1,r 1,2 1,1 2,1 1,a 1,4 1,1 1,1 6,1 4,1 1,1 1,1
        1,3 1,2 1,1 2,1 1,1 1,1 1,1 1,1 1,2 1,1 2,4 1,7 1,4 1,4 1,1 1,a 1,h 5,3 1,5 1,h 3es,wyo w,37e 6,66 2,4g2 e,5rl
        f,ha 1wi,f2 15u,3t7 5,38g
        """

    /// Its numbers.
    static let byteLevelNumber = """
        1c,a 3c,2 5,1 2,3 141,a 3q,a 5i,a bg,a 3a,a 4,6 30,a 3a,a 3a,a 2,6 32,d 37,a 8,7 2v,a 2w,7 7,j 31,a 2o,a 3a,a
        1y,k 7g,a 1y,a jz,k oh,3 6n,a 6,a m,a 8c,a 3k,b 4l,a 6,a 52,a 2e,a 3q,a 6,a t2,1 3,6 6,a 5i,1f 2,5 k6,1o 26,m
        hi,u 12h,1 ll,1 p,9 e,3 9j,4 3u,a u,8 1,f w,a 13,f msg,a 58,a 8w,6 4a,a 12,a 5i,a m,a 2e,a ba,a geu,a dp,19
        c,1l h,2 9h,r 10,4 t,1 8,1 3q,5 5m,a q6,8 p,7 13,9 23,5 m,6 4g,2 2,g 2,1a 1s,9 1g,2 u,3 23,5 2w,8 o,8 15,7
        96,6 1c,a 6,a 7q,v 4e,a 16,4 34,7 3q,u 3k,a 1o,a 40,a 7,k 6z,a 9i,a 3a,a ae,a 2u,a 6,k 24,c bo,j 2l,a ie,a
        2e,t 6b,a 1y,a bq,a 2u,l tn,33 c01,a 1t2,a 2e,a 3q,a 1,7 em,a 7a,n imx,a 152,k c,k 30,p ut,1e 1ts,a bq,a dy,a
        6v,a jw,9 3k,a lz,1n 1,3 1,4 24,19 1,f qq,d 25f,a
        """

    /// Its blanks.
    static let byteLevelSpace = """
        9,5 i,1 2s,1 q,1 4bj,1 1vj,b t,2 5,1 1b,1 334,1
        """

    /// Canonical combining classes by rank: gap, count, stride, rank.
    static let combiningRank = """
        lc,l,1,1e 0,1,1,1g 0,4,1,19 0,1,1,1g 0,1,1,17 0,5,1,19 0,2,1,15 0,4,1,19 0,2,1,15 0,b,1,19 0,5,1,1 0,4,1,19
        0,3,1,1e 0,2,1,1f 0,1,1,1e 0,1,1,1f 1,1,1,1j 0,1,1,1e 0,3,1,19 0,3,1,1e 0,2,1,19 1,3,1,1e 0,4,1,19 0,1,1,1e
        0,1,1,1g 0,2,1,19 0,1,1,1e 0,1,1,1h 0,2,1,1i 0,1,1,1h 0,2,1,1i 0,1,1,1h 0,d,1,1e 7n,5,1,1e 7d,1,1,19 0,4,1,1e
        0,1,1,19 0,3,1,1e 0,1,1,1a 0,1,1,19 0,6,1,1e 0,6,1,19 0,2,1,1e 0,1,1,19 0,2,1,1e 0,1,1,1a 0,1,1,1d 0,1,1,1e
        0,1,1,5 0,1,1,6 0,1,1,7 0,1,1,8 0,1,1,9 0,1,1,a 0,1,1,b 0,1,1,c 0,1,1,d 0,2,1,e 0,1,1,f 0,1,1,g 0,1,1,h
        1,1,1,i 1,1,1,j 0,1,1,k 1,1,1,1e 0,1,1,19 1,1,1,d 20,8,1,1e 0,1,1,p 0,1,1,q 0,1,1,r 1c,1,1,m 0,1,1,n 0,1,1,o
        0,1,1,p 0,1,1,q 0,1,1,r 0,1,1,s 0,1,1,t 0,2,1,1e 0,2,1,19 0,5,1,1e 0,1,1,19 0,2,1,1e 0,1,1,19 g,1,1,u
        2t,7,1,1e 2,4,1,1e 0,1,1,19 0,1,1,1e 2,2,1,1e 1,1,1,19 0,2,1,1e 0,1,1,19 z,1,1,v u,1,1,1e 0,1,1,19 0,2,1,1e
        0,1,1,19 0,2,1,1e 0,3,1,19 0,1,1,1e 0,2,1,19 0,1,1,1e 0,1,1,19 0,3,1,1e 0,1,1,19 0,1,1,1e 0,1,1,19 0,1,1,1e
        0,1,1,19 0,1,1,1e 0,1,1,19 0,2,1,1e 4g,7,1,1e 0,1,1,19 0,1,1,1e y,4,1,1e 1,9,1,1e 1,3,1,1e 1,5,1,1e 17,3,1,19
        3c,e,1,1e 1,1,1,19 0,2,1,1e 0,1,1,19 0,2,1,1e 0,1,1,19 0,3,1,1e 0,3,1,19 0,1,1,m 0,1,1,n 0,1,1,o 0,3,1,1e
        0,1,1,19 0,2,1,1e 0,2,1,19 0,5,1,1e 1o,1,1,2 g,1,1,4 3,1,1,1e 0,1,1,19 0,2,1,1e 2v,1,1,2 g,1,1,4 32,1,1,2
        g,1,1,4 32,1,1,2 g,1,1,4 32,1,1,2 g,1,1,4 3j,1,1,4 3j,1,1,4 7,1,1,w 0,1,1,x 2t,1,1,2 g,1,1,4 3j,1,1,4 3g,1,1,4
        31,2,1,y 0,1,1,4 d,4,1,z 30,2,1,10 e,4,1,11 24,2,1,19 r,1,1,19 1,1,1,19 1,1,1,17 1j,1,1,12 0,1,1,13 1,1,1,14
        5,4,1,13 2,1,1,13 1,2,1,1e 0,1,1,4 1,2,1,1e 1q,1,1,19 34,1,1,2 1,2,1,4 2a,1,1,19 jz,3,1,1e qc,1,1,4 v,1,1,4
        4d,1,1,4 a,1,1,1e 5n,1,1,1d 3z,1,1,1a 0,1,1,1e 0,1,1,19 63,1,1,1e 0,1,1,19 1z,1,1,4 k,8,1,1e 2,1,1,19
        1c,5,1,1e 0,6,1,19 0,2,1,1e 0,1,1,19 3a,1,1,2 f,1,1,4 12,1,1,1e 0,1,1,19 0,7,1,1e 1i,2,1,4 1m,1,1,2 b,2,1,4
        1v,1,1,2 48,3,1,1e 1,1,1,1 0,5,1,19 0,2,1,1e 0,4,1,19 0,1,1,1e 1,7,1,1 4,1,1,19 6,1,1,1e 3,2,1,1e 5i,2,1,1e
        0,1,1,19 0,7,1,1e 0,1,1,19 0,2,1,1e 0,1,1,1i 0,1,1,16 0,1,1,19 0,1,1,15 0,11,1,1e 5,1,1,1e 0,1,1,1h 0,1,1,19
        0,1,1,1e 0,1,1,19 k0,2,1,1e 0,2,1,1 0,4,1,1e 0,3,1,1 0,2,1,1e 4,1,1,1e 3,2,1,1 0,1,1,1e 0,1,1,19 0,1,1,1e
        0,2,1,1 0,4,1,19 0,1,1,1e 2da,3,1,1e 3x,1,1,4 2o,w,1,1e fe,1,1,18 0,1,1,1d 0,1,1,1g 0,1,1,1a 0,2,1,1b 2x,2,1,3
        n9w,1,1,1e 4,a,1,1e w,2,1,1e 28,2,1,1e 7o,1,1,4 59,1,1,4 r,i,1,1e 1l,3,1,19 11,1,1,4 2n,1,1,2 c,1,1,4
        6n,1,1,1e 1,2,1,1e 0,1,1,19 2,2,1,1e 5,2,1,1e 1,1,1,1e 1g,1,1,4 6u,1,1,4 fn4,1,1,l ld,7,1,1e 0,7,1,19 0,2,1,1e
        r1,1,1,19 6a,1,1,19 45,5,1,1e 1aq,1,1,19 1,1,1,1e 14,1,1,1e 0,1,1,1 0,1,1,19 4,1,1,4 4l,1,1,1e 0,1,1,19
        127,1,1,4 1k,1,1,4 1l,1,1,4 0,1,1,2 1x,3,1,1e 1c,2,1,4 1q,1,1,2 24,1,1,4 9,1,1,2 2y,1,1,4 0,1,1,2 4y,1,1,2
        0,1,1,4 29,1,1,2 g,1,1,4 o,7,1,1e 3,5,1,1e 5p,1,1,4 3,1,1,2 3f,1,1,4 0,1,1,2 6z,1,1,4 0,1,1,2 3i,1,1,4
        3a,1,1,4 0,1,1,2 37,1,1,4 103,1,1,4 fjk,5,1,1 1n,7,1,1e g2v,1,1,1 43q,2,1,17 0,3,1,1 3,1,1,1c 0,5,1,17
        8,8,1,19 2,5,1,1e 0,2,1,19 u,4,1,1e 44,3,1,1e 2pn,7,1,1e 1,h,1,1e 2,7,1,1e 1,2,1,1e 1,5,1,1e 1ph,7,1,19
        31,6,1,1e 0,1,1,2
        """

    /// Lower case: gap, count, stride, distance.
    static let lowercase = """
        1t,q,1,w 2t,n,1,w 1,7,1,w x,o,2,1 3,3,2,1 2,8,2,1 2,n,2,1 1,1,1,-3d 0,3,2,1 3,1,1,5u 0,2,2,1 1,1,1,5q 0,1,1,1
        1,2,1,5p 0,1,1,1 2,1,1,27 0,1,1,5m 0,1,1,5n 0,1,1,1 1,1,1,5p 0,1,1,5r 1,1,1,5v 0,1,1,5t 0,1,1,1 3,1,1,5v
        0,1,1,5x 1,1,1,5y 0,3,2,1 1,1,1,62 0,1,1,1 1,1,1,62 2,1,1,1 1,1,1,62 0,1,1,1 1,2,1,61 0,2,2,1 1,1,1,63 0,1,1,1
        3,1,1,1 7,1,1,2 0,1,1,1 1,1,1,2 0,1,1,1 1,1,1,2 0,9,2,1 2,9,2,1 2,1,1,2 0,2,2,1 1,1,1,-2p 0,1,1,-1k 0,k,2,1
        1,1,1,-3m 1,9,2,1 7,1,1,8bv 0,1,1,1 1,1,1,-4j 0,1,1,8bs 2,1,1,1 1,1,1,-5f 0,1,1,1x 0,1,1,1z 0,5,2,1 81,2,2,1
        3,1,1,1 8,1,1,38 6,1,1,12 1,3,1,11 1,1,1,1s 1,2,1,1r 1,h,1,w 1,9,1,w z,1,1,8 8,c,2,1 5,1,1,-1o 2,1,1,1
        1,1,1,-7 0,1,1,1 2,3,1,-3m 0,g,1,28 0,w,1,w 1c,h,2,1 9,r,2,1 1,1,1,f 0,7,2,1 2,1c,2,1 2,12,1,1c 289,12,1,5ls
        1,1,1,5ls 5,1,1,5ls k2,28,1,tzk 0,6,1,8 1oz,1,1,1 6,17,1,-2bk 2,3,1,-2bk 8w,23,2,1 9,1,1,-5vj 1,1c,2,1
        9,8,1,-8 8,6,1,-8 a,8,1,-8 8,8,1,-8 8,6,1,-8 b,4,2,-8 8,8,1,-8 o,8,1,-8 8,8,1,-8 8,8,1,-8 8,2,1,-8 0,2,1,-22
        0,1,1,-9 b,4,1,-2e 0,1,1,-9 b,2,1,-8 0,2,1,-2s c,2,1,-8 0,2,1,-34 0,1,1,-7 b,2,1,-3k 0,2,1,-3i 0,1,1,-9
        89,1,1,-5st 3,1,1,-6gv 0,1,1,-6di 6,1,1,s 19,g,1,g j,1,1,1 mq,q,1,q 1f4,1c,1,1c 1c,1,1,1 1,1,1,-8af 0,1,1,-2xy
        0,1,1,-89z 2,3,2,1 1,1,1,-8bg 0,1,1,-8al 0,1,1,-8bj 0,1,1,-8bi 1,1,1,1 2,1,1,1 8,2,1,-8cf 0,1e,2,1 8,2,2,1
        4,1,1,1 nyl,n,2,1 j,e,2,1 3r,7,2,1 3,v,2,1 a,2,2,1 1,1,1,-r9g 0,5,2,1 4,1,1,1 1,1,1,-wmg 2,2,2,1 3,a,2,1
        1,1,1,-wn8 0,1,1,-wnj 0,1,1,-wnf 0,1,1,-wn5 0,1,1,-wn8 1,1,1,-wlu 0,1,1,-wmi 0,1,1,-wlx 0,1,1,ps 0,8,2,1
        1,1,1,-1c 0,1,1,-wn7 0,1,1,-raw 0,2,2,1 1,1,1,-wo7 0,8,2,1 1,1,1,-wu9 o,1,1,1 h7v,q,1,w xx,14,1,14 3s,10,1,14
        4c,b,1,13 1,f,1,13 1,7,1,13 1,2,1,13 1d6,1f,1,1s 4d,m,1,w 27u,w,1,w gw0,w,1,w 1s,p,1,r o5j,y,1,y
        """

    /// Full canonical decompositions without Hangul: gap, then the scalars.
    static let decomposition = """
        5c,1t,lc 0,1t,ld 0,1t,le 0,1t,lf 0,1t,lk 0,1t,lm 1,1v,mf 0,1x,lc 0,1x,ld 0,1x,le 0,1x,lk 0,21,lc 0,21,ld
        0,21,le 0,21,lk 1,26,lf 0,27,lc 0,27,ld 0,27,le 0,27,lf 0,27,lk 2,2d,lc 0,2d,ld 0,2d,le 0,2d,lk 0,2h,ld
        2,2p,lc 0,2p,ld 0,2p,le 0,2p,lf 0,2p,lk 0,2p,lm 1,2r,mf 0,2t,lc 0,2t,ld 0,2t,le 0,2t,lk 0,2x,lc 0,2x,ld
        0,2x,le 0,2x,lk 1,32,lf 0,33,lc 0,33,ld 0,33,le 0,33,lf 0,33,lk 2,39,lc 0,39,ld 0,39,le 0,39,lk 0,3d,ld
        1,3d,lk 0,1t,lg 0,2p,lg 0,1t,li 0,2p,li 0,1t,mg 0,2p,mg 0,1v,ld 0,2r,ld 0,1v,le 0,2r,le 0,1v,lj 0,2r,lj
        0,1v,lo 0,2r,lo 0,1w,lo 0,2s,lo 2,1x,lg 0,2t,lg 0,1x,li 0,2t,li 0,1x,lj 0,2t,lj 0,1x,mg 0,2t,mg 0,1x,lo
        0,2t,lo 0,1z,le 0,2v,le 0,1z,li 0,2v,li 0,1z,lj 0,2v,lj 0,1z,mf 0,2v,mf 0,20,le 0,2w,le 2,21,lf 0,2x,lf
        0,21,lg 0,2x,lg 0,21,li 0,2x,li 0,21,mg 0,2x,mg 0,21,lj 3,22,le 0,2y,le 0,23,mf 0,2z,mf 1,24,ld 0,30,ld
        0,24,mf 0,30,mf 0,24,lo 0,30,lo 4,26,ld 0,32,ld 0,26,mf 0,32,mf 0,26,lo 0,32,lo 3,27,lg 0,33,lg 0,27,li
        0,33,li 0,27,ln 0,33,ln 2,2a,ld 0,36,ld 0,2a,mf 0,36,mf 0,2a,lo 0,36,lo 0,2b,ld 0,37,ld 0,2b,le 0,37,le
        0,2b,mf 0,37,mf 0,2b,lo 0,37,lo 0,2c,mf 0,38,mf 0,2c,lo 0,38,lo 2,2d,lf 0,39,lf 0,2d,lg 0,39,lg 0,2d,li
        0,39,li 0,2d,lm 0,39,lm 0,2d,ln 0,39,ln 0,2d,mg 0,39,mg 0,2f,le 0,3b,le 0,2h,le 0,3d,le 0,2h,lk 0,2i,ld
        0,3e,ld 0,2i,lj 0,3e,lj 0,2i,lo 0,3e,lo x,27,m3 0,33,m3 d,2d,m3 0,39,m3 s,1t,lo 0,2p,lo 0,21,lo 0,2x,lo
        0,27,lo 0,33,lo 0,2d,lo 0,39,lo 0,2d,lk,lg 0,39,lk,lg 0,2d,lk,ld 0,39,lk,ld 0,2d,lk,lo 0,39,lk,lo 0,2d,lk,lc
        0,39,lk,lc 1,1t,lk,lg 0,2p,lk,lg 0,1t,lj,lg 0,2p,lj,lg 0,5i,lg 0,6e,lg 2,1z,lo 0,2v,lo 0,23,lo 0,2z,lo 0,27,mg
        0,33,mg 0,27,mg,lg 0,33,mg,lg 0,c7,lo 0,ia,lo 0,2y,lo 3,1z,ld 0,2v,ld 2,26,lc 0,32,lc 0,1t,lm,ld 0,2p,lm,ld
        0,5i,ld 0,6e,ld 0,60,ld 0,6w,ld 0,1t,lr 0,2p,lr 0,1t,lt 0,2p,lt 0,1x,lr 0,2t,lr 0,1x,lt 0,2t,lt 0,21,lr
        0,2x,lr 0,21,lt 0,2x,lt 0,27,lr 0,33,lr 0,27,lt 0,33,lt 0,2a,lr 0,36,lr 0,2a,lt 0,36,lt 0,2d,lr 0,39,lr
        0,2d,lt 0,39,lt 0,2b,me 0,37,me 0,2c,me 0,38,me 2,20,lo 0,2w,lo 6,1t,lj 0,2p,lj 0,1x,mf 0,2t,mf 0,27,lk,lg
        0,33,lk,lg 0,27,lf,lg 0,33,lf,lg 0,27,lj 0,33,lj 0,27,lj,lg 0,33,lj,lg 0,2h,lg 0,3d,lg 7g,lc 0,ld 1,lv 0,lk,ld
        1b,jd 9,1n 6,4o,ld 0,pd,ld 0,53 0,ph,ld 0,pj,ld 0,pl,ld 1,pr,ld 1,px,ld 0,q1,ld 0,qh,lk,ld p,pl,lk 0,px,lk
        0,q9,ld 0,qd,ld 0,qf,ld 0,qh,ld 0,qt,lk,ld p,qh,lk 0,qt,lk 0,qn,ld 0,qt,ld 0,qx,ld 4,r6,ld 0,r6,lk 17,t1,lc
        0,t1,lk 1,sz,ld 3,sm,lk 4,t6,ld 0,t4,lc 0,tf,li a,t4,li v,u0,li m,tx,lc 0,tx,lk 1,tv,ld 3,uu,lk 4,u2,ld
        0,u0,lc 0,ub,li n,vo,lr 0,vp,lr 21,t2,li 0,ty,li d,sw,li 0,ts,li 0,sw,lk 0,ts,lk 2,t1,li 0,tx,li 2,yg,lk
        0,yh,lk 0,t2,lk 0,ty,lk 0,t3,lk 0,tz,lk 2,t4,lg 0,u0,lg 0,t4,lk 0,u0,lk 0,ta,lk 0,u6,lk 2,yw,lk 0,yx,lk
        0,tp,lk 0,ul,lk 0,tf,lg 0,ub,lg 0,tf,lk 0,ub,lk 0,tf,ln 0,ub,ln 0,tj,lk 0,uf,lk 2,tn,lk 0,uj,lk 88,17r,18z
        0,17r,190 0,18o,190 0,17r,191 0,18q,190 49,1cl,190 1,1c1,190 g,1ci,190 gl,1t4,1to 7,1tc,1to 2,1tf,1to
        z,1sl,1to 0,1sm,1to 0,1sn,1to 0,1ss,1to 0,1sx,1to 0,1sy,1to 0,1t7,1to 0,1tb,1to 2z,1xj,1xa 0,1xj,1xz f,1wh,1x8
        0,1wi,1x8 1,1wv,1x8 2b,20i,20s 2,20o,20s y,1zq,20s 0,1zr,20s 0,1zw,20s 2,20b,20s 6h,287,28m 2,287,27y
        0,287,28n f,275,27w 0,276,27w 1i,2aa,2c7 1h,2bq,2bi 0,2br,2bi 0,2bq,2c7 3f,2fa,2fq 3b,2in,2j9 6,2iu,2j9
        0,2iu,2ja 1,2iu,2iq 0,2iu,2iq,2j9 3i,2me,2m6 0,2mf,2m6 0,2me,2mv 3x,2qh,2q2 1,2qh,2q7 0,2qh,2q7,2q2 0,2qh,2qn
        9w,30i,33r 9,30s,33r 4,30x,33r 4,312,33r 4,317,33r c,30g,33p 9,31t,31u 1,31t,31w 0,33m,328 1,33n,328 8,31t,328
        h,32q,33r 9,330,33r 4,335,33r 4,33a,33r 4,33f,33r c,32o,33p 30,36t,372 25b,5c5,5dh 1,5c7,5dh 1,5c9,5dh
        1,5cb,5dh 1,5cd,5dh 3,5ch,5dh 14,5dm,5dh 1,5do,5dh 2,5dq,5dh 0,5dr,5dh 1,5du,5dh jg,1t,md 0,2p,md 0,1u,lj
        0,2q,lj 0,1u,mb 0,2q,mb 0,1u,mp 0,2q,mp 0,1v,mf,ld 0,2r,mf,ld 0,1w,lj 0,2s,lj 0,1w,mb 0,2s,mb 0,1w,mp 0,2s,mp
        0,1w,mf 0,2s,mf 0,1w,ml 0,2s,ml 0,1x,lg,lc 0,2t,lg,lc 0,1x,lg,ld 0,2t,lg,ld 0,1x,ml 0,2t,ml 0,1x,mo 0,2t,mo
        0,1x,mf,li 0,2t,mf,li 0,1y,lj 0,2u,lj 0,1z,lg 0,2v,lg 0,20,lj 0,2w,lj 0,20,mb 0,2w,mb 0,20,lk 0,2w,lk 0,20,mf
        0,2w,mf 0,20,mm 0,2w,mm 0,21,mo 0,2x,mo 0,21,lk,ld 0,2x,lk,ld 0,23,ld 0,2z,ld 0,23,mb 0,2z,mb 0,23,mp 0,2z,mp
        0,24,mb 0,30,mb 0,24,mb,lg 0,30,mb,lg 0,24,mp 0,30,mp 0,24,ml 0,30,ml 0,25,ld 0,31,ld 0,25,lj 0,31,lj 0,25,mb
        0,31,mb 0,26,lj 0,32,lj 0,26,mb 0,32,mb 0,26,mp 0,32,mp 0,26,ml 0,32,ml 0,27,lf,ld 0,33,lf,ld 0,27,lf,lk
        0,33,lf,lk 0,27,lg,lc 0,33,lg,lc 0,27,lg,ld 0,33,lg,ld 0,28,ld 0,34,ld 0,28,lj 0,34,lj 0,2a,lj 0,36,lj 0,2a,mb
        0,36,mb 0,2a,mb,lg 0,36,mb,lg 0,2a,mp 0,36,mp 0,2b,lj 0,37,lj 0,2b,mb 0,37,mb 0,2b,ld,lj 0,37,ld,lj 0,2b,lo,lj
        0,37,lo,lj 0,2b,mb,lj 0,37,mb,lj 0,2c,lj 0,38,lj 0,2c,mb 0,38,mb 0,2c,mp 0,38,mp 0,2c,ml 0,38,ml 0,2d,mc
        0,39,mc 0,2d,mo 0,39,mo 0,2d,ml 0,39,ml 0,2d,lf,ld 0,39,lf,ld 0,2d,lg,lk 0,39,lg,lk 0,2e,lf 0,3a,lf 0,2e,mb
        0,3a,mb 0,2f,lc 0,3b,lc 0,2f,ld 0,3b,ld 0,2f,lk 0,3b,lk 0,2f,lj 0,3b,lj 0,2f,mb 0,3b,mb 0,2g,lj 0,3c,lj
        0,2g,lk 0,3c,lk 0,2h,lj 0,3d,lj 0,2i,le 0,3e,le 0,2i,mb 0,3e,mb 0,2i,mp 0,3e,mp 0,2w,mp 0,38,lk 0,3b,lm
        0,3d,lm 1,an,lj 4,1t,mb 0,2p,mb 0,1t,ll 0,2p,ll 0,1t,le,ld 0,2p,le,ld 0,1t,le,lc 0,2p,le,lc 0,1t,le,ll
        0,2p,le,ll 0,1t,le,lf 0,2p,le,lf 0,1t,mb,le 0,2p,mb,le 0,1t,li,ld 0,2p,li,ld 0,1t,li,lc 0,2p,li,lc 0,1t,li,ll
        0,2p,li,ll 0,1t,li,lf 0,2p,li,lf 0,1t,mb,li 0,2p,mb,li 0,1x,mb 0,2t,mb 0,1x,ll 0,2t,ll 0,1x,lf 0,2t,lf
        0,1x,le,ld 0,2t,le,ld 0,1x,le,lc 0,2t,le,lc 0,1x,le,ll 0,2t,le,ll 0,1x,le,lf 0,2t,le,lf 0,1x,mb,le 0,2t,mb,le
        0,21,ll 0,2x,ll 0,21,mb 0,2x,mb 0,27,mb 0,33,mb 0,27,ll 0,33,ll 0,27,le,ld 0,33,le,ld 0,27,le,lc 0,33,le,lc
        0,27,le,ll 0,33,le,ll 0,27,le,lf 0,33,le,lf 0,27,mb,le 0,33,mb,le 0,27,m3,ld 0,33,m3,ld 0,27,m3,lc 0,33,m3,lc
        0,27,m3,ll 0,33,m3,ll 0,27,m3,lf 0,33,m3,lf 0,27,m3,mb 0,33,m3,mb 0,2d,mb 0,39,mb 0,2d,ll 0,39,ll 0,2d,m3,ld
        0,39,m3,ld 0,2d,m3,lc 0,39,m3,lc 0,2d,m3,ll 0,39,m3,ll 0,2d,m3,lf 0,39,m3,lf 0,2d,m3,mb 0,39,m3,mb 0,2h,lc
        0,3d,lc 0,2h,mb 0,3d,mb 0,2h,ll 0,3d,ll 0,2h,lf 0,3d,lf 6,q9,lv 0,q9,lw 0,q9,lv,lc 0,q9,lw,lc 0,q9,lv,ld
        0,q9,lw,ld 0,q9,lv,n6 0,q9,lw,n6 0,pd,lv 0,pd,lw 0,pd,lv,lc 0,pd,lw,lc 0,pd,lv,ld 0,pd,lw,ld 0,pd,lv,n6
        0,pd,lw,n6 0,qd,lv 0,qd,lw 0,qd,lv,lc 0,qd,lw,lc 0,qd,lv,ld 0,qd,lw,ld 2,ph,lv 0,ph,lw 0,ph,lv,lc 0,ph,lw,lc
        0,ph,lv,ld 0,ph,lw,ld 2,qf,lv 0,qf,lw 0,qf,lv,lc 0,qf,lw,lc 0,qf,lv,ld 0,qf,lw,ld 0,qf,lv,n6 0,qf,lw,n6
        0,pj,lv 0,pj,lw 0,pj,lv,lc 0,pj,lw,lc 0,pj,lv,ld 0,pj,lw,ld 0,pj,lv,n6 0,pj,lw,n6 0,qh,lv 0,qh,lw 0,qh,lv,lc
        0,qh,lw,lc 0,qh,lv,ld 0,qh,lw,ld 0,qh,lv,n6 0,qh,lw,n6 0,pl,lv 0,pl,lw 0,pl,lv,lc 0,pl,lw,lc 0,pl,lv,ld
        0,pl,lw,ld 0,pl,lv,n6 0,pl,lw,n6 0,qn,lv 0,qn,lw 0,qn,lv,lc 0,qn,lw,lc 0,qn,lv,ld 0,qn,lw,ld 2,pr,lv 0,pr,lw
        0,pr,lv,lc 0,pr,lw,lc 0,pr,lv,ld 0,pr,lw,ld 2,qt,lv 0,qt,lw 0,qt,lv,lc 0,qt,lw,lc 0,qt,lv,ld 0,qt,lw,ld
        0,qt,lv,n6 0,qt,lw,n6 1,px,lw 1,px,lw,lc 1,px,lw,ld 1,px,lw,n6 0,qx,lv 0,qx,lw 0,qx,lv,lc 0,qx,lw,lc
        0,qx,lv,ld 0,qx,lw,ld 0,qx,lv,n6 0,qx,lw,n6 0,q1,lv 0,q1,lw 0,q1,lv,lc 0,q1,lw,lc 0,q1,lv,ld 0,q1,lw,ld
        0,q1,lv,n6 0,q1,lw,n6 0,q9,lc 0,q9,ld 0,qd,lc 0,qd,ld 0,qf,lc 0,qf,ld 0,qh,lc 0,qh,ld 0,qn,lc 0,qn,ld 0,qt,lc
        0,qt,ld 0,qx,lc 0,qx,ld 2,q9,lv,n9 0,q9,lw,n9 0,q9,lv,lc,n9 0,q9,lw,lc,n9 0,q9,lv,ld,n9 0,q9,lw,ld,n9
        0,q9,lv,n6,n9 0,q9,lw,n6,n9 0,pd,lv,n9 0,pd,lw,n9 0,pd,lv,lc,n9 0,pd,lw,lc,n9 0,pd,lv,ld,n9 0,pd,lw,ld,n9
        0,pd,lv,n6,n9 0,pd,lw,n6,n9 0,qf,lv,n9 0,qf,lw,n9 0,qf,lv,lc,n9 0,qf,lw,lc,n9 0,qf,lv,ld,n9 0,qf,lw,ld,n9
        0,qf,lv,n6,n9 0,qf,lw,n6,n9 0,pj,lv,n9 0,pj,lw,n9 0,pj,lv,lc,n9 0,pj,lw,lc,n9 0,pj,lv,ld,n9 0,pj,lw,ld,n9
        0,pj,lv,n6,n9 0,pj,lw,n6,n9 0,qx,lv,n9 0,qx,lw,n9 0,qx,lv,lc,n9 0,qx,lw,lc,n9 0,qx,lv,ld,n9 0,qx,lw,ld,n9
        0,qx,lv,n6,n9 0,qx,lw,n6,n9 0,q1,lv,n9 0,q1,lw,n9 0,q1,lv,lc,n9 0,q1,lw,lc,n9 0,q1,lv,ld,n9 0,q1,lw,ld,n9
        0,q1,lv,n6,n9 0,q1,lw,n6,n9 0,q9,li 0,q9,lg 0,q9,lc,n9 0,q9,n9 0,q9,ld,n9 1,q9,n6 0,q9,n6,n9 0,pd,li 0,pd,lg
        0,pd,lc 0,pd,ld 0,pd,n9 1,qh 2,4o,n6 0,qf,lc,n9 0,qf,n9 0,qf,ld,n9 1,qf,n6 0,qf,n6,n9 0,ph,lc 0,ph,ld 0,pj,lc
        0,pj,ld 0,pj,n9 0,69r,lc 0,69r,ld 0,69r,n6 0,qh,li 0,qh,lg 0,qh,lk,lc 0,qh,lk,ld 2,qh,n6 0,qh,lk,n6 0,pl,li
        0,pl,lg 0,pl,lc 0,pl,ld 1,6bi,lc 0,6bi,ld 0,6bi,n6 0,qt,li 0,qt,lg 0,qt,lk,lc 0,qt,lk,ld 0,qp,lv 0,qp,lw
        0,qt,n6 0,qt,lk,n6 0,px,li 0,px,lg 0,px,lc 0,px,ld 0,pt,lw 0,4o,lc 0,4o,ld 0,2o 2,qx,lc,n9 0,qx,n9 0,qx,ld,n9
        1,qx,n6 0,qx,n6,n9 0,pr,lc 0,pr,ld 0,q1,lc 0,q1,ld 0,q1,n9 0,50 2,6bm 0,6bn 84,q1 3,23 0,1t,lm 32,6mo,mw
        0,6mq,mw i,6ms,mw u,6og,mw 0,6ok,mw 0,6oi,mw 1g,6pv,mw 4,6q0,mw 2,6q3,mw n,6qr,mw 1,6qt,mw q,6rg,mw 2,6rn,mw
        2,6rp,mw 1,6rs,mw m,1p,mw 1,6sh,mw a,6rx,mw 0,1o,mw 0,1q,mw 0,6sk,mw 0,6sl,mw 2,6sy,mw 0,6sz,mw 2,6t2,mw
        0,6t3,mw 6,6t6,mw 0,6t7,mw 2,6te,mw 0,6tf,mw 2,6ti,mw 0,6tj,mw y,6ua,mw 0,6ug,mw 0,6uh,mw 0,6uj,mw 1c,6t8,mw
        0,6t9,mw 0,6tt,mw 0,6tu,mw 6,6uq,mw 0,6ur,mw 0,6us,mw 0,6ut,mw 1n,9hk 0,9hl 1ip,8gt,mw 12n,9jf,9ll 1,9jh,9ll
        1,9jj,9ll 1,9jl,9ll 1,9jn,9ll 1,9jp,9ll 1,9jr,9ll 1,9jt,9ll 1,9jv,9ll 1,9jx,9ll 1,9jz,9ll 1,9k1,9ll 2,9k4,9ll
        1,9k6,9ll 1,9k8,9ll 6,9kf,9ll 0,9kf,9lm 1,9ki,9ll 0,9ki,9lm 1,9kl,9ll 0,9kl,9lm 1,9ko,9ll 0,9ko,9lm 1,9kr,9ll
        0,9kr,9lm m,9ja,9ll 9,9lp,9ll d,9m3,9ll 1,9m5,9ll 1,9m7,9ll 1,9m9,9ll 1,9mb,9ll 1,9md,9ll 1,9mf,9ll 1,9mh,9ll
        1,9mj,9ll 1,9ml,9ll 1,9mn,9ll 1,9mp,9ll 2,9ms,9ll 1,9mu,9ll 1,9mw,9ll 6,9n3,9ll 0,9n3,9lm 1,9n6,9ll 0,9n6,9lm
        1,9n9,9ll 0,9n9,9lm 1,9nc,9ll 0,9nc,9lm 1,9nf,9ll 0,9nf,9lm m,9ly,9ll 2,9nz,9ll 0,9o0,9ll 0,9o1,9ll 0,9o2,9ll
        3,9od,9ll 13i9,rpk 0,kc4 0,s7e 0,rt4 0,lw1 0,fg2 0,gkl 0,vj0 0,vj0 0,hn5 0,ssx 0,gw7 0,hmw 0,jcm 0,ne1 0,p6t
        0,qin 0,qt6 0,r20 0,sjz 0,kxu 0,ljv 0,mah 0,mvy 0,q4d 0,sq2 0,uep 0,fia 0,ghh 0,l50 0,mjf 0,qi5 0,v8e 0,ifk
        0,m3v 0,qfh 0,r50 0,jih 0,pnc 0,qvz 0,iq2 0,kd3 0,lm2 0,mpo 0,slq 0,fpi 0,g53 0,gda 0,jwk 0,l3n 0,mj4 0,nhj
        0,pa9 0,qh2 0,qjg 0,s1b 0,tv6 0,upb 0,v7e 0,nt8 0,nzz 0,otc 0,q15 0,t1g 0,vb3 0,rfa 0,hjz 0,iro 0,okg 0,pdq
        0,mle 0,nuy 0,rsy 0,ttj 0,hjs 0,i8y 0,kyb 0,lp6 0,lxr 0,oq7 0,oxj 0,tor 0,gcy 0,pe3 0,g64 0,g5o 0,o4c 0,ou6
        0,q29 0,tpx 0,rk0 0,jin 0,kxu 0,rge 0,fg9 0,i5j 0,iz6 0,mtj 0,n74 0,gev 0,nwb 0,fr3 0,iw9 0,ff1 0,lho 0,k1k
        0,opu 0,gjn 0,hge 0,ni9 0,q4p 0,re2 0,la2 0,sds 0,lfs 0,jjy 0,put 0,jog 0,n6t 0,fji 0,g2x 0,g5l 0,kn5 0,oo7
        0,prj 0,rf6 0,ssv 0,gdx 0,gn6 0,ho3 0,ir0 0,k3p 0,m4e 0,nxm 0,tkd 0,ui2 0,vbr 0,vda 0,gbf 0,kau 0,l87 0,sbm
        0,ino 0,j9s 0,jcw 0,jve 0,lyb 0,mdl 0,n0p 0,o22 0,ovo 0,pdb 0,s9y 0,q9a 0,sgz 0,t3e 0,g7r 0,gbn 0,gql 0,ma0
        0,r0i 0,re2 0,iq1 0,iyd 0,jnf 0,l9q 0,oji 0,mt1 0,fl0 0,h6h 0,i5j 0,iii 0,izg 0,muq 0,mzt 0,p7e 0,pc6 0,svo
        0,tti 0,tvs 0,u1k 0,fpn 0,o1a 0,ss4 0,trs 0,j4x 0,fie 0,fyy 0,i5q 0,i7z 0,k2h 0,kxu 0,mha 0,ncy 0,q9o 0,sjg
        0,vil 0,k94 0,tny 0,gax 0,kfv 0,kj7 0,lkx 0,luk 0,mx5 0,n6h 0,nsb 0,opc 0,u3i 0,g31 0,je6 0,tq0 0,fu3 0,ie1
        0,lpm 0,sa2 0,ivf 0,j7o 0,kk7 0,mtj 0,tqe 0,g89 0,glr 0,i91 0,k5v 0,kem 0,ko8 0,lid 0,mx2 0,naa 0,p6h 0,r0v
        0,r1d 0,sss 0,tsy 0,gfz 0,lve 0,gm5 0,mhc 0,n14 0,qgq 0,tr7 0,uvr 0,vbz 0,kgn 0,lor 0,pns 0,o97 0,obk 0,olu
        0,mo0 0,m8p 0,riw 0,fk0 0,px2 0,g8q 0,g7b 0,ip2 0,jir 0,onq 0,i2t 0,ljy 0,kac 0,saj 0,qx8 0,tot 0,r63 0,iqb
        0,g1s 0,gxs 2,hga 1,k8k 2,g66 0,mqy 0,ngq 0,ny4 0,nz2 0,nz9 0,o0f 0,tw6 0,on2 0,p8d 1,qhe 1,rg8 2,shk 0,sn1
        3,u7j 0,u7w 0,u94 0,v5g 0,sm6 0,trr 0,fqm 0,fzb 0,g25 0,gcp 0,gdg 0,ggh 0,gwt 0,gzq 0,h2g 0,hfk 0,hig 0,i90
        0,i9a 0,j2s 0,j8o 0,j9q 0,jci 0,k0f 0,k4i 0,k9d 0,kn9 0,lmf 0,lqy 0,lya 0,mem 0,mjv 0,mxu 0,ntd 0,ny6 0,nyh
        0,nyg 0,nyo 0,nyu 0,nz1 0,o0d 0,o0e 0,o5c 0,o75 0,og0 0,ovo 0,ow9 0,oxt 0,p6a 0,pad 0,pnx 0,prt 0,prt 0,q53
        0,r2o 0,r6e 0,rgh 0,ri1 0,rtf 0,ruw 0,sdy 0,shk 0,tsz 0,u0v 0,u2j 0,j1x 0,36cu 0,pp4 2,ffq 0,g51 0,g2w 0,fpc
        0,g1x 0,g3k 0,gcn 0,ge2 0,gwt 0,gut 0,gwp 0,gyq 0,hga 0,hir 0,hms 0,hn8 0,huq 0,i08 0,iqa 0,iqh 0,iuh 0,iwd
        0,j4o 0,j7y 0,j60 0,j9q 0,j8g 0,jci 0,jec 0,jpg 0,jrw 0,jte 0,k0m 0,k8k 0,kd3 0,kd7 0,keu 0,l89 0,la2 0,lkx
        0,lwb 0,lvv 0,lya 0,m5a 0,mem 0,nmv 0,mk5 0,mnj 0,mqy 0,n01 0,n46 0,n5n 0,nbx 0,nbz 0,ngq 0,nh7 0,nhw 0,nka
        0,nk0 0,nv0 0,o8h 0,og0 0,ol7 0,orf 0,ovo 0,p4u 0,pad 0,pxu 0,q27 0,qrd 0,r41 0,r5y 0,r6e 0,ren 0,rg8 0,rez
        0,rgh 0,rge 0,rfx 0,ri1 0,rka 0,ruw 0,sag 0,sj6 0,srd 0,sxi 0,tq4 0,tsz 0,tw6 0,tzv 0,u0v 0,u17 0,u2j 0,umq
        0,vj0 0,313e 0,3138 0,33dh 0,brx 0,cns 0,cop 0,39e1 0,3bgw 0,3i6r 0,vgj 0,vim 1v,15l,14k 1,16a,14n a,161,14x
        0,161,14y 0,161,14s,14x 0,161,14s,14y 0,15c,14n 0,15c,14o 0,15c,14s 0,15d,14s 0,15e,14s 0,15f,14s 0,15g,14s
        0,15h,14s 0,15i,14s 1,15k,14s 0,15l,14s 0,15m,14s 0,15n,14s 0,15o,14s 1,15q,14s 1,15s,14s 0,15t,14s 1,15v,14s
        0,15w,14s 1,15y,14s 0,15z,14s 0,160,14s 0,161,14s 0,162,14s 0,15h,14p 0,15d,14v 0,15n,14v 0,15w,14v
        47f,1huh,1hve 1,1huj,1hve e,1hut,1hve 3m,1hyp,1hyf 0,1hyq,1hyf ez,1idj,1ida 0,1idj,1idz a6,1int,1inu
        0,1int,1ink 1,1int,1inx 6z,1iuw,1iun 0,1iux,1iun 112a,2jx3,2jxh 0,2jx4,2jxh 0,2jx4,2jxh,2jxq 0,2jx4,2jxh,2jxr
        0,2jx4,2jxh,2jxs 0,2jx4,2jxh,2jxt 0,2jx4,2jxh,2jxu 2e,2jzt,2jxh 0,2jzu,2jxh 0,2jzt,2jxh,2jxq 0,2jzu,2jxh,2jxq
        0,2jzt,2jxh,2jxr 0,2jzu,2jxh,2jxr 1m4f,fgd 0,fg8 0,fgh 0,2tcy 0,fog 0,fqm 0,fqz 0,fsy 0,fwa 0,fx5 0,fzb 0,fyn
        0,ae6 0,2ud6 0,g25 0,g2c 0,g2s 0,g3b 0,2u58 0,aex 0,g2v 0,g3x 0,2u6j 0,g47 0,g4k 0,fkc 0,g4s 0,g51 0,3ly7
        0,g6t 0,g77 0,afz 0,g8r 0,g92 0,gaa 0,gaf 0,ahh 0,gcn 0,gcp 0,gdg 0,ge2 0,ged 0,gee 0,gev 0,gg9 0,ggh 0,ggq
        0,ghf 0,ghp 0,ghr 0,ghr 0,ghr 0,2v58 0,m7k 0,gju 0,gkf 0,2vdv 0,gkr 0,gkx 0,gli 0,gpq 0,gmw 0,gnc 0,go8 0,gpu
        0,gs6 0,gsw 0,gur 0,gv7 0,gw4 0,gw4 0,gwp 0,gx7 0,gxf 0,gxu 0,h7a 0,gzq 0,h7b 0,h1t 0,h2s 0,g7b 0,hke 0,hce
        0,hdg 0,he5 0,haj 0,hf6 0,hf5 0,hik 0,2x9g 0,hki 0,hkn 0,hl2 0,hlm 0,hlu 0,hnm 0,2xm0 0,2xnu 0,hrg 0,hsr 0,ht3
        0,hqw 0,huu 0,aum 0,av0 0,hzc 0,i0u 0,i0u 0,2y88 0,i4j 0,i54 0,i5j 0,i5v 0,2yhk 0,i67 0,i6e 0,itv 0,i76 0,ayp
        0,i8w 0,i9a 0,ibk 0,ia5 0,2z1g 0,if7 0,2z1i 0,ige 0,igb 0,igs 0,ijl 0,ijm 0,b3j 0,ikd 0,ilk 0,im5 0,ind 0,b4y
        0,2zr7 0,b5o 0,ipc 0,ipf 0,ipi 0,iq2 0,3pg2 0,iri 0,3035 0,3035 0,poh 0,isi 0,isi 0,b7r 0,335k 0,3cgq 0,iua
        0,iuj 0,b8j 0,ivu 0,ix9 0,ixj 0,iyh 0,j29 0,bay 0,ba4 0,j2s 0,30t0 0,j47 0,j7s 0,j7w 0,j7y 0,j7w 0,j96 0,j9q
        0,jaq 0,jac 0,jan 0,jby 0,jci 0,jcm 0,jdc 0,jdn 0,jfh 0,jht 0,jis 0,jm8 0,31n0 0,jlp 0,jjw 0,jmw 0,jnn 0,jqc
        0,31td 0,js2 0,jph 0,jop 0,bhq 0,ju1 0,jum 0,jvh 0,juf 0,bjg 0,k0f 0,k18 0,32mi 0,k4j 0,kc8 0,k7d 0,bo9 0,k9d
        0,bns 0,bms 0,g42 0,g45 0,kcg 0,k9o 0,pf1 0,deh 0,kd3 0,kd7 0,kdd 0,kf2 0,ker 0,33cz 0,bpl 0,kje 0,kg5 0,klu
        0,kn9 0,33hp 0,kni 0,kkf 0,kr8 0,brx 0,ksi 0,kv7 0,kx6 0,l2g 0,33xf 0,l3v 0,bvc 0,l5t 0,34br 0,l78 0,bwu 0,l82
        0,l9b 0,la2 0,la3 0,34p9 0,2yvf 0,34sa 0,le6 0,354s 0,lhb 0,lhp 0,lev 0,ljq 0,lku 0,lmf 0,lkx 0,lm1 0,lmg
        0,lmt 0,357i 0,lkk 0,lrj 0,lta 0,c37 0,lvv 0,lvr 0,35jl 0,lq1 0,m0e 0,35ni 0,35ou 0,m2u 0,m61 0,m5a 0,m57
        0,c5y 0,m6i 0,m7x 0,m7r 0,m99 0,2u5h 0,mdh 0,368z 0,mfw 0,36i3 0,mjs 0,mk5 0,mkw 0,36yw 0,mm8 0,mmt 0,3779
        0,37dg 0,mt6 0,mtn 0,cdo 0,mud 0,ce0 0,ce0 0,myv 0,mzg 0,n01 0,n0l 0,n2i 0,cgr 0,n50 0,386u 0,n5q 0,389e 0,n74
        0,2zrz 0,nbk 0,38v5 0,38vs 0,38zo 0,cn0 0,cnc 0,nhw 0,394j 0,394i 0,395l 0,396b 0,nj2 0,nj3 0,nj3 0,nka 0,cop
        0,nm3 0,cp2 0,cra 0,39r1 0,nri 0,nt8 0,nv0 0,ctf 0,3a5i 0,nyu 0,3a8q 0,3a9x 0,o0f 0,o2z 0,cvj 0,o5c 0,o5m
        0,o5r 0,3at8 0,3b1j 0,3b1j 0,oa6 0,d1e 0,3b8r 0,og6 0,og9 0,d2f 0,3beo 0,onm 0,d5s 0,oo8 0,oo3 0,oow 0,3c06
        0,orn 0,d8h 0,ouf 0,ow2 0,oxx 0,d9w 0,3ciw 0,3cjr 0,dax 0,3cnt 0,p6i 0,3cqm 0,p79 0,pa2 0,pad 0,3d22 0,3d43
        0,pcw 0,3d7s 0,pdc 0,33a7 0,ded 0,pf6 0,phf 0,dfv 0,pj2 0,hx1 0,3dlz 0,3dmd 0,33bn 0,33bw 0,poh 0,pok 0,sda
        0,dij 0,psh 0,psb 0,pst 0,gc3 0,ptd 0,ptf 0,ptp 0,puu 0,3ebg 0,put 0,pwd 0,pyb 0,q0d 0,pwj 0,q0t 0,q1z 0,q53
        0,pxv 0,q16 0,q18 0,q1o 0,3eie 0,3eqz 0,3emt 0,dnv 0,q9d 0,q9f 0,qae 0,3g0a 0,qck 0,3f3g 0,dp9 0,dpd 0,3f75
        0,3ff6 0,dpn 0,qj4 0,qjg 0,qjr 0,qjt 0,qll 0,qko 0,qoe 0,qn6 0,qrd 0,qp4 0,qqz 0,qrq 0,dsn 0,qu9 0,qv5 0,dtl
        0,qxs 0,qxv 0,3giv 0,r13 0,r1a 0,dv9 0,r22 0,aez 0,3gz2 0,3h46 0,dz2 0,dzb 0,rds 0,rfx 0,rka 0,rpx 0,3hrc
        0,rsb 0,rsx 0,rvf 0,rxz 0,3i9b 0,2upw 0,s0b 0,rzw 0,s1c 0,2uvy 0,s7o 0,sag 0,3jki 0,3jl9 0,sk4 0,smp 0,snl
        0,3ju6 0,snv 0,svs 0,t07 0,t08 0,sxo 0,t89 0,t91 0,3ksa 0,tjf 0,ej9 0,tkn 0,3l2v 0,eli 0,ts3 0,iia 0,tur
        0,3ltx 0,3lzu 0,epa 0,epi 0,u00 0,3mdm 0,er6 0,3mhi 0,u17 0,u17 0,u21 0,3mpi 0,u76 0,eur 0,u95 0,ucn 0,ude
        0,uf2 0,ez2 0,3nsg 0,umq 0,uv4 0,v0d 0,f66 0,f71 0,v3b 0,3owe 0,f7c 0,3oxx 0,3p5a 0,3p8x 0,vcr 0,f9y 0,veh
        0,vem 0,vet 0,vf3 0,vfa 0,vgb 0,3pxc
        """
}
