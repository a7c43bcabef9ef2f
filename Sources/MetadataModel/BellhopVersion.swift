/// What `--version` prints and the first log line says.
public enum BellhopVersion {
    public static let text = "0.1.0"
}
