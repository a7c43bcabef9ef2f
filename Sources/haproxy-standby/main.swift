import Glibc
import Standby

exit(StandbyMain.run())
