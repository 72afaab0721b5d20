import { describeChecks } from './checks'

describeChecks('the life of a real kernel', 'lifetime.py')
